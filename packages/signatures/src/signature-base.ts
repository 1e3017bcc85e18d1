// The signature base: the exact text that is signed. One line per covered component, then the parameters, joined by
// LF with none at the end. Version 15 puts component names in quotes, version 6 does not; nothing else differs.
// Contract: "Differences" and "Sign" step 4. It refuses every value that could forge a line.
import { componentValue, derivedComponents } from './components.ts';
import { SignError } from './errors.ts';
import { type HttpMessage, type MessageView, readMessage } from './message.ts';

export type SignatureVersion = 15 | 6;

export type BaseFailure = 'malformed_message' | 'unsupported_component' | 'duplicate_component' | 'missing_component';

export type BaseResult =
  | { readonly ok: true; readonly base: string }
  | { readonly ok: false; readonly reason: BaseFailure; readonly detail: string };

const headerName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function failure(reason: BaseFailure, detail: string): BaseResult {
  return { ok: false, reason, detail };
}

/** Text of a sender, made fit for a log line: quoted, printable, short. */
export function quoted(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, '?');
  return JSON.stringify(printable.length > 80 ? `${printable.slice(0, 80)}…` : printable);
}

/** Undefined when method, path and query can stand in a base, else what is wrong with them. */
function targetFlaw(message: MessageView): string | undefined {
  if (!token.test(message.method)) return 'The method is not an HTTP token';
  if (/[\x00-\x1f\x7f]/.test(message.path)) return 'The path holds control characters';
  // A target that was not cut at its '?' would hide the query from the rule that it must be covered.
  if (message.path.includes('?')) return 'The path holds a query';
  if (message.query !== undefined && /[\x00-\x1f\x7f]/.test(message.query)) return 'The query holds control characters';
  return undefined;
}

export function buildBase(
  message: MessageView,
  version: SignatureVersion,
  components: readonly string[],
  params: string,
): BaseResult {
  const flaw = targetFlaw(message);
  if (flaw !== undefined) return failure('malformed_message', flaw);
  const quote = version === 15 ? '"' : '';
  const seen = new Set<string>();
  const lines: string[] = [];
  for (const name of components) {
    if (seen.has(name)) return failure('duplicate_component', `The component ${quoted(name)} is listed twice`);
    seen.add(name);
    if (!derivedComponents.includes(name) && !headerName.test(name)) {
      return failure('unsupported_component', `The component ${quoted(name)} is not supported`);
    }
    const value = componentValue(name, message);
    if (value === undefined)
      return failure('missing_component', `The covered header ${quoted(name)} is not in the message`);
    if (/[\r\n\0]/.test(value))
      return failure('malformed_message', `The header ${quoted(name)} holds a line break or NUL`);
    lines.push(`${quote}${name}${quote}: ${value}`);
  }
  lines.push(`${quote}@signature-params${quote}: ${params}`);
  return { ok: true, base: lines.join('\n') };
}

/**
 * The base of a message, to sign or to show. `params` is the value of the signature's member in `signature-input`,
 * verbatim. Throws SignError with a code when the message has no such base.
 */
export function signatureBase(
  message: HttpMessage,
  version: SignatureVersion,
  components: readonly string[],
  params: string,
): string {
  assertVersion(version);
  const result = buildBase(readMessage(message), version, components, params);
  if (!result.ok) throw new SignError(result.reason, result.detail);
  if (/[\r\n\0]/.test(params)) throw new SignError('invalid_parameter', 'The parameters hold a line break or NUL');
  return result.base;
}

export function assertVersion(version: SignatureVersion): void {
  if (version !== 15 && version !== 6) throw new TypeError('The signature version is 15 or 6');
}
