export async function program(settings, load) {
  const { Strategy } = await load('passport-oauth2');
  const session = {};
  let asked = {};
  const strategy = new Strategy(
    {
      authorizationURL: `${settings.issuer}/o/authorize/`,
      tokenURL: `${settings.issuer}/o/token/`,
      clientID: settings.client_id,
      clientSecret: settings.client_secret,
      callbackURL: settings.redirect_uri,
      scope: settings.scope.split(' '),
      state: true,
      pkce: 'S256',
    },
    (accessToken, refreshToken, params, _profile, done) => done(null, { ...params, refresh_token: refreshToken }),
  );
  strategy.authorizationParams = () => asked; // as its documentation has programs add parameters
  const authenticate = (query) =>
    new Promise((resolve, reject) => {
      const running = Object.create(strategy);
      running.redirect = (address) => resolve({ address });
      running.success = resolve;
      running.fail = (challenge) => resolve({ error: 'access_denied', challenge });
      running.error = reject;
      running.authenticate({ query, session, headers: {}, connection: {} }, {});
    });
  return {
    address({ extra, resources }) {
      asked = { ...extra, ...(resources.length ? { resource: resources } : {}) };
      return authenticate({});
    },
    finish: ({ url }) => authenticate(Object.fromEntries(new URL(url).searchParams)),
    refresh: ({ token }) =>
      new Promise((resolve, reject) =>
        strategy._oauth2.getOAuthAccessToken(token, { grant_type: 'refresh_token' }, (error, _access, renewed, told) =>
          error ? reject(error) : resolve({ ...told, refresh_token: renewed }),
        ),
      ),
    errorOf: (error) => error.code ?? (error.data ? JSON.parse(error.data).error : undefined),
  };
}
