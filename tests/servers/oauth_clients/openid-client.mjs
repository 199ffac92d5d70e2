export async function program(settings, load) {
  const oauth = await load('openid-client');
  const config = await oauth.discovery(
    new URL(settings.issuer),
    settings.client_id,
    undefined,
    oauth.ClientSecretBasic(settings.client_secret),
    { algorithm: 'oauth2', execute: [oauth.allowInsecureRequests] }, // the test's server is on loopback
  );
  let verifier, state;
  return {
    metadata: () => config.serverMetadata(),
    async address({ extra, resources }) {
      verifier = oauth.randomPKCECodeVerifier();
      state = oauth.randomState();
      const asked = new URLSearchParams({
        redirect_uri: settings.redirect_uri,
        scope: settings.scope,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        ...extra,
      });
      resources.forEach((resource) => asked.append('resource', resource));
      return { address: oauth.buildAuthorizationUrl(config, asked).href };
    },
    finish: ({ url }) =>
      oauth.authorizationCodeGrant(config, new URL(url), { pkceCodeVerifier: verifier, expectedState: state }),
    refresh: ({ token }) => oauth.refreshTokenGrant(config, token),
    introspect: ({ token }) => oauth.tokenIntrospection(config, token),
    revoke: ({ token }) => oauth.tokenRevocation(config, token),
    errorOf: (error) => error.error ?? error.code,
  };
}
