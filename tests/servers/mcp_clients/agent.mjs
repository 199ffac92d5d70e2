// An agent built on a TypeScript SDK of the protocol: the protocol is the library's, untouched.
// The first line on standard input is JSON settings: the folder of the packages, the library, the address, and either
// `authorization` or `oauth`. Each line after it is one command; each answer is one line of JSON. While it works it may
// write {"open": URL}: its user has to open that, and answers with the next line.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async () => JSON.parse((await lines.next()).value ?? 'null');
const write = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const settings = await read();
const require = createRequire(`${settings.installed}/package.json`);
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);
const open = async (url) => {
  write({ open: String(url) });
  return read();
};

const modern = settings.library === '@modelcontextprotocol/client';
const { Client } = await load(modern ? settings.library : '@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = await load(
  modern ? settings.library : '@modelcontextprotocol/sdk/client/streamableHttp.js',
);
const { ElicitRequestSchema } = modern ? {} : await load('@modelcontextprotocol/sdk/types.js');

let tokens = settings.oauth?.tokens;
let verifier, client, transport, address;
const provider = settings.oauth && {
  redirectUrl: settings.oauth.redirectUrl,
  clientMetadata: { redirect_uris: [settings.oauth.redirectUrl], scope: settings.oauth.scope },
  clientInformation: () => settings.oauth.client,
  tokens: () => tokens,
  saveTokens: (fresh) => void (tokens = fresh),
  saveCodeVerifier: (fresh) => void (verifier = fresh),
  codeVerifier: () => verifier,
  redirectToAuthorization: (url) => void (address = url),
};

async function connect() {
  const requestInit = settings.authorization && { headers: { Authorization: settings.authorization } };
  transport = new StreamableHTTPClientTransport(new URL(settings.url), { authProvider: provider, requestInit });
  const capabilities = settings.opensUrls ? { elicitation: { url: {} } } : {};
  client = new Client(
    { name: 'agent', version: '1' },
    { capabilities, ...(modern && { versionNegotiation: { mode: settings.mode } }) },
  );
  if (settings.opensUrls) {
    client.setRequestHandler(modern ? 'elicitation/create' : ElicitRequestSchema, async ({ params }) => {
      await open(params.url);
      return { action: 'accept' };
    });
  }
  await client.connect(transport);
}

// Do it; if the authorization server has to be asked first, let the user open its address, and do it again.
async function authorized(work) {
  try {
    return await work();
  } catch (error) {
    if (!address) throw error;
    const url = address;
    address = undefined;
    const { back } = await open(url);
    await transport.finishAuth(modern ? new URL(back).searchParams : new URL(back).searchParams.get('code'));
    if (!client.getServerVersion()) await connect();
    return work();
  }
}

const call = async ({ name, arguments: given, progress, cancelAfter }) => {
  const seen = [];
  const options = progress ? { onprogress: (step) => seen.push(step) } : {};
  if (cancelAfter) options.signal = AbortSignal.timeout(cancelAfter);
  const result = modern
    ? await client.callTool({ name, arguments: given }, options)
    : await client.callTool({ name, arguments: given }, undefined, options);
  return { result, progress: seen };
};
const commands = {
  connect: async () => {
    await authorized(() => (client?.getServerVersion() ? undefined : connect()));
    return { server: client.getServerVersion() };
  },
  tools: async () => ({ names: (await client.listTools()).tools.map((tool) => tool.name) }),
  resources: async () => ({ uris: (await client.listResources()).resources.map((resource) => resource.uri) }),
  read: async ({ uri }) => client.readResource({ uri }),
  call: async (command) => authorized(() => call(command)),
  scope: async () => ({ scope: tokens?.scope }),
};

for (;;) {
  const command = await read();
  if (!command) break;
  try {
    write((await commands[command.do](command)) ?? {});
  } catch (error) {
    write({ error: String(error), code: error.code, elicitations: error.elicitations });
  }
}
process.exit(0);
