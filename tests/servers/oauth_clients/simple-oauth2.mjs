import { createHash, randomBytes } from 'node:crypto';

export async function program(settings, load) {
  const { AuthorizationCode } = await load('simple-oauth2');
  const client = new AuthorizationCode({
    client: { id: settings.client_id, secret: settings.client_secret },
    auth: { tokenHost: settings.issuer, tokenPath: '/o/token/', authorizePath: '/o/authorize/', revokePath: '/o/revoke_token/' },
  });
  let verifier, state;
  return {
    async address({ extra, resources }) {
      verifier = randomBytes(32).toString('base64url');
      state = randomBytes(16).toString('hex');
      const address = new URL(
        client.authorizeURL({
          redirect_uri: settings.redirect_uri,
          scope: settings.scope,
          code_challenge: createHash('sha256').update(verifier).digest('base64url'),
          code_challenge_method: 'S256',
          state,
          ...extra,
        }),
      );
      resources.forEach((resource) => address.searchParams.append('resource', resource)); // it would join them by commas
      return { address: address.href };
    },
    async finish({ url }) {
      const told = new URL(url).searchParams; // which the library leaves to the program
      if (told.get('state') !== state) throw new Error('another state');
      if (told.has('error')) return { error: told.get('error') };
      const asked = { code: told.get('code'), redirect_uri: settings.redirect_uri, code_verifier: verifier };
      return (await client.getToken(asked)).token;
    },
    refresh: async ({ token }) => (await client.createToken({ refresh_token: token }).refresh()).token,
    revoke: ({ token }) => client.createToken({ refresh_token: token }).revoke('refresh_token'),
    errorOf: (error) => error.data?.payload?.error,
  };
}
