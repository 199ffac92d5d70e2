// oidc-provider (npm), started for a test: the protocol is the library's, untouched.
// Ours are the two pages people see, one protected resource (/api/whoami) and the controls a test needs (/_ctl/…).
// Reads one line of JSON settings from standard input, listens on the file descriptor named there,
// ends when standard input closes.
import crypto from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const lines = createInterface({ input: process.stdin });
const settings = JSON.parse((await once(lines, 'line'))[0]);
// Whoever started us is gone, however it ended: so are we.
lines.on('close', () => process.exit(0));

const found = createRequire(`${settings.installed}/package.json`).resolve('oidc-provider');
const { Provider } = await import(pathToFileURL(found).href);

const users = new Map(Object.entries(settings.users));
const scopes = ['openid', 'offline_access', 'profile', 'email', 'read', 'write'];
const signingKey = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

const provider = new Provider(settings.issuer, {
  jwks: { keys: [{ ...signingKey, kid: 'test', use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [crypto.randomBytes(16).toString('hex')] },
  scopes,
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email'] },
  clockTolerance: 0, // the default of 15 s would keep a token of 2 s alive for 17
  pkce: { required: () => settings.pkce },
  rotateRefreshToken: settings.rotate,
  ttl: {
    AccessToken: settings.access_ttl,
    ClientCredentials: settings.access_ttl,
    RefreshToken: settings.refresh_ttl,
    AuthorizationCode: 60,
    IdToken: 3600,
    Interaction: 600,
    Session: 86400,
    Grant: 1209600,
  },
  ...(settings.refresh_tokens === 'always' && {
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: async () => false,
  }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    registration: { enabled: true },
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  async findAccount(_ctx, id) {
    const claims = { sub: id, name: id, preferred_username: id, email: `${id}@provider.example` };
    return users.has(id) ? { accountId: id, claims: async () => claims } : undefined;
  },
});
provider.on('server_error', (_ctx, error) => console.error(error));

// ---- what people see

const escaped = (value) => String(value).replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);

function show(ctx, title, body, status = 200) {
  ctx.status = status;
  ctx.type = 'html';
  ctx.body = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>
<body><main><h1>${title}</h1>${body}</main></body></html>`;
}

function showLogin(ctx, params, alert = '') {
  show(ctx, 'Sign in', `${alert && `<p role="alert">${alert}</p>`}<form method="post">
<p><label>User name <input name="username" required value="${escaped(params.login_hint ?? '')}"></label></p>
<p><label>Password <input name="password" type="password" required></label></p>
<p><button name="answer" value="deny" formnovalidate>Cancel</button> <button name="answer" value="login">Sign in</button></p>
</form>`, alert ? 401 : 200);
}

function showConsent(ctx, params, session) {
  const asked = (params.scope ?? '').split(' ').filter(Boolean).map((scope) => `<li>${escaped(scope)}</li>`).join('');
  show(ctx, 'Allow access?', `<p>${escaped(session.accountId)}, a client asks for:</p><ul>${asked}</ul><form method="post">
<p><button name="answer" value="deny">Deny</button> <button name="answer" value="allow">Allow</button></p></form>`);
}

async function consented({ grantId, session, params, prompt }) {
  const known = grantId && await provider.Grant.find(grantId);
  const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(' '));
  grant.addOIDCClaims(prompt.details.missingOIDCClaims ?? []);
  return { consent: { grantId: await grant.save() } };
}

async function interact(ctx) {
  const interaction = await provider.interactionDetails(ctx.req, ctx.res);
  const { params, prompt, session } = interaction;
  const login = prompt.name === 'login';
  if (ctx.method === 'GET') return login ? showLogin(ctx, params) : showConsent(ctx, params, session);

  const form = new URLSearchParams(await text(ctx.req));
  let result;
  if (form.get('answer') === 'deny') {
    result = { error: 'access_denied', error_description: 'The user said no' };
  } else if (!login) {
    result = await consented(interaction);
  } else if (users.get(form.get('username')) === form.get('password')) {
    result = { login: { accountId: form.get('username') } };
  } else {
    return showLogin(ctx, params, 'Wrong user name or password.');
  }
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: !login });
}

// ---- a protected resource

async function whoami(ctx) {
  const raw = /^Bearer (.+)$/i.exec(ctx.get('authorization'))?.[1] ?? '';
  const token = await provider.AccessToken.find(raw) || await provider.ClientCredentials.find(raw);
  if (token) {
    ctx.body = { sub: token.accountId ?? null, client_id: token.clientId, scope: token.scope ?? '' };
  } else {
    ctx.status = 401;
    ctx.set('WWW-Authenticate', raw ? 'Bearer error="invalid_token"' : 'Bearer');
    ctx.body = { error: 'invalid_token' };
  }
}

// ---- controls: what was asked, and what shall go wrong

const counts = {}; // "POST /token refresh_token 200": how often
let faults = [];

const controls = {
  'GET /_ctl/stats': (ctx) => { ctx.body = counts; },
  'POST /_ctl/fault': async (ctx) => { faults.push(JSON.parse(await text(ctx.req))); ctx.body = {}; },
  'POST /_ctl/reset': (ctx) => {
    Object.keys(counts).forEach((key) => delete counts[key]);
    faults = [];
    ctx.body = {};
  },
};

// {path, times, grant_type, after, delay, drop, status, body, content_type, headers}. "after" lets the library do its
// work and only then spoils the answer, as when the line drops behind a refresh token that has already been rotated.
function due(path, after, grantType) {
  const fault = faults.find((one) => one.times > 0 && one.path === path && one.after === after
    && (!one.grant_type || one.grant_type === grantType));
  if (fault) fault.times -= 1;
  return fault;
}

async function spoil(ctx, fault) {
  await new Promise((resolve) => { setTimeout(resolve, fault.delay * 1000); });
  if (fault.drop) {
    ctx.respond = false;
    ctx.req.socket.destroy();
  } else if (fault.status) {
    ctx.status = fault.status;
    ctx.body = fault.body;
    ctx.type = fault.content_type;
    ctx.set(fault.headers);
  }
  return !fault.drop && !fault.status; // a mere delay: go on
}

async function answer(ctx, next) {
  const first = due(ctx.path, false);
  if (first && !await spoil(ctx, first)) return;
  if (ctx.path.startsWith('/interaction/')) await interact(ctx);
  else if (ctx.path === '/api/whoami') await whoami(ctx);
  else await next();
  const last = due(ctx.path, true, ctx.oidc?.params?.grant_type);
  if (last) await spoil(ctx, last);
}

provider.use(async (ctx, next) => {
  const control = controls[`${ctx.method} ${ctx.path}`];
  if (control) return control(ctx);
  await answer(ctx, next);
  const grantType = ctx.oidc?.params?.grant_type;
  const outcome = ctx.req.socket.destroyed ? 'dropped' : ctx.status;
  const key = [ctx.method, ctx.path, grantType, outcome].filter(Boolean).join(' ');
  counts[key] = (counts[key] ?? 0) + 1;
  return undefined;
});

provider.listen({ fd: settings.listens_on });
