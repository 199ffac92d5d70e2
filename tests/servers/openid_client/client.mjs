// openid-client (npm), as a program that signs people in at Keyrack: the protocol is the library's, untouched.
// Reads one line of JSON settings, writes the address to send the person to, reads the address that the person comes
// back to, and writes what it got at each step. Ends when standard input closes.
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const lines = createInterface({ input: process.stdin });
const settings = JSON.parse((await once(lines, 'line'))[0]);
const say = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);

const found = createRequire(`${settings.installed}/package.json`).resolve('openid-client');
const client = await import(pathToFileURL(found).href);

const config = await client.discovery(
  new URL(settings.issuer),
  settings.client_id,
  undefined,
  client.ClientSecretBasic(settings.client_secret),
  { algorithm: 'oauth2', execute: [client.allowInsecureRequests] }, // the test's server is on loopback
);

const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const address = client.buildAuthorizationUrl(config, {
  redirect_uri: settings.redirect_uri,
  scope: settings.scope,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
});
say({ address: address.href });

const comeBackTo = new URL((await once(lines, 'line'))[0]);
const granted = await client.authorizationCodeGrant(config, comeBackTo, {
  pkceCodeVerifier: verifier,
  expectedState: state,
});
const renewed = await client.refreshTokenGrant(config, granted.refresh_token);
const alive = await client.tokenIntrospection(config, renewed.access_token);
await client.tokenRevocation(config, renewed.refresh_token);
const revoked = await client.tokenIntrospection(config, renewed.access_token);
const refused = await client.refreshTokenGrant(config, renewed.refresh_token).catch((error) => error.error);

say({
  server: config.serverMetadata(),
  granted: { scope: granted.scope, expires_in: granted.expires_in, token_type: granted.token_type },
  is_new: renewed.access_token !== granted.access_token && renewed.refresh_token !== granted.refresh_token,
  alive,
  revoked,
  refused,
});
process.exit(0);
