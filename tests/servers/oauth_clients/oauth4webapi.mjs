export async function program(settings, load) {
  const oauth = await load('oauth4webapi');
  const insecure = { [oauth.allowInsecureRequests]: true }; // the test's server is on loopback
  const issuer = new URL(settings.issuer);
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
  const server = await oauth.processDiscoveryResponse(issuer, found);
  const client = { client_id: settings.client_id };
  const proof = oauth.ClientSecretPost(settings.client_secret);
  let verifier, state;
  return {
    metadata: () => server,
    async address({ extra, resources }) {
      verifier = oauth.generateRandomCodeVerifier();
      state = oauth.generateRandomState();
      const asked = new URLSearchParams({
        client_id: settings.client_id,
        response_type: 'code',
        redirect_uri: settings.redirect_uri,
        scope: settings.scope,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        ...extra,
      });
      resources.forEach((resource) => asked.append('resource', resource));
      return { address: `${server.authorization_endpoint}?${asked}` };
    },
    async finish({ url }) {
      const told = oauth.validateAuthResponse(server, client, new URL(url), state);
      const answer = await oauth.authorizationCodeGrantRequest(
        server, client, proof, told, settings.redirect_uri, verifier, insecure,
      );
      return oauth.processAuthorizationCodeResponse(server, client, answer);
    },
    refresh: async ({ token }) =>
      oauth.processRefreshTokenResponse(
        server, client, await oauth.refreshTokenGrantRequest(server, client, proof, token, insecure),
      ),
    introspect: async ({ token }) =>
      oauth.processIntrospectionResponse(
        server, client, await oauth.introspectionRequest(server, client, proof, token, insecure),
      ),
    revoke: async ({ token }) =>
      oauth.processRevocationResponse(await oauth.revocationRequest(server, client, proof, token, insecure)),
    errorOf: (error) => error.error ?? error.code,
  };
}
