// One client library from npm, as a program that signs people in at Keyrack: the protocol is the library's, untouched.
// The first line on standard input is JSON settings, which name the library; each line after it is one request for what
// a program does: {"do": "address" | "finish" | "refresh" | "introspect" | "revoke", …}. Each answer is one line of JSON.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const settings = JSON.parse((await lines.next()).value);
const require = createRequire(`${settings.installed}/package.json`);
const load = async (name) => {
  const found = await import(pathToFileURL(require.resolve(name)).href);
  return found.default ?? found;
};
const { program } = await import(`./${settings.library}.mjs`);
const client = await program(settings, load);

for await (const line of lines) {
  const { do: what, ...told } = JSON.parse(line);
  let answer;
  try {
    answer = (await client[what](told)) ?? {};
  } catch (error) {
    answer = { error: client.errorOf(error), raised: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
