// RFC 9421 in the parts that a receiver of requests needs: reading `signature-input` and `signature` (section 4), and the
// signature base (section 2.5) with the derived components of section 2.2. Not supported, and refused: component parameters
// (`sf`, `key`, `bs`, `req`, `tr`), `@query-param` and `@status`.
// The base is built from what was parsed, written again in the one canonical way, so that what is checked and what is
// signed are the same thing by construction.
import type { InnerList } from 'structured-headers';
import { isInnerList, parseDictionary, serializeInnerList } from 'structured-headers';
import type { RejectReason } from '../reject-reason.ts';
import type { SenderMessage } from './sender.ts';

export interface Fault {
  readonly ok: false;
  readonly reason: RejectReason;
  readonly detail: string;
  readonly keyId?: string;
}

export interface SignatureMember {
  readonly ok: true;
  readonly covered: readonly string[];
  readonly keyId: string;
  readonly created: number;
  readonly expires: number | undefined;
  readonly nonce: string | undefined;
  readonly alg: string | undefined;
  readonly signature: Uint8Array;
  readonly input: InnerList;
}

const maxIdentifierLength = 256;

export function fault(reason: RejectReason, detail: string, keyId?: string): Fault {
  return keyId === undefined ? { ok: false, reason, detail } : { ok: false, reason, detail, keyId };
}

/** The signature of the label, or the only one. */
export function readMember(headers: ReadonlyMap<string, string>, label: string | undefined): SignatureMember | Fault {
  const inputs = dictionary(headers.get('signature-input'));
  const signatures = dictionary(headers.get('signature'));
  if (inputs === undefined || signatures === undefined) {
    return fault('missing_signature', 'There is no signature-input or no signature header');
  }
  if (inputs === null || signatures === null) return fault('malformed_signature', 'A signature header is malformed');
  const shared = [...inputs.keys()].filter((key) => signatures.has(key));
  const chosen = label ?? (shared.length === 1 ? shared[0] : undefined);
  const input = chosen === undefined ? undefined : inputs.get(chosen);
  const bytes = chosen === undefined ? undefined : signatures.get(chosen)?.[0];
  if (input === undefined || bytes === undefined) {
    return fault('label_not_found', 'signature-input and signature do not share the expected label');
  }
  if (!isInnerList(input) || !(bytes instanceof ArrayBuffer)) {
    return fault('malformed_signature', 'The signature is no list of components with its bytes');
  }
  return readInput(input, new Uint8Array(bytes));
}

function readInput(input: InnerList, signature: Uint8Array): SignatureMember | Fault {
  const [items, parameters] = input;
  const text = (name: string): string | undefined | null => {
    const value = parameters.get(name);
    if (value === undefined) return undefined;
    return typeof value === 'string' && value.length <= maxIdentifierLength ? value : null;
  };
  const seconds = (name: string): number | undefined | null => {
    const value = parameters.get(name);
    if (value === undefined) return undefined;
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
  };
  const [keyId, nonce, alg] = [text('keyid'), text('nonce'), text('alg')];
  const [created, expires] = [seconds('created'), seconds('expires')];
  if (keyId === null || nonce === null || alg === null || created === null || expires === null) {
    return fault('malformed_signature', 'A signature parameter has a wrong type');
  }
  if (keyId === undefined) return fault('missing_parameter', 'The signature has no keyid');
  if (created === undefined) return fault('missing_parameter', 'The signature has no created', keyId);
  const covered: string[] = [];
  for (const [name, componentParameters] of items) {
    if (typeof name !== 'string') return fault('malformed_signature', 'A component is not a string', keyId);
    if (componentParameters.size > 0) {
      return fault('unsupported_component', 'Components with parameters are not supported', keyId);
    }
    if (covered.includes(name)) return fault('duplicate_component', 'A component is listed twice', keyId);
    covered.push(name);
  }
  return { ok: true, covered, keyId, created, expires, nonce, alg, signature, input };
}

/** Undefined: absent; null: not a dictionary. */
export function dictionary(header: string | undefined): ReturnType<typeof parseDictionary> | undefined | null {
  if (header === undefined) return undefined;
  try {
    return parseDictionary(header);
  } catch {
    // The library throws for every text outside the grammar, and for nothing else.
    return null;
  }
}

/** The text that was signed. `origin` is where the sender called, when the request itself does not say. */
export function signatureBaseOf(
  message: SenderMessage,
  { covered, input, keyId }: SignatureMember,
  origin: URL | undefined,
): { readonly ok: true; readonly base: string } | Fault {
  const lines: string[] = [];
  for (const name of covered) {
    const value = name.startsWith('@') ? derived(name, message, origin) : message.headers.get(name);
    if (value === undefined) {
      return name.startsWith('@')
        ? fault('unsupported_component', `The component ${JSON.stringify(name)} cannot be had here`, keyId)
        : fault('missing_component', `The covered header ${JSON.stringify(name)} is not in the message`, keyId);
    }
    if (/[\r\n\0]/.test(value)) return fault('malformed_message', 'A covered value holds a line break or NUL', keyId);
    lines.push(`"${name}": ${value}`);
  }
  lines.push(`"@signature-params": ${serializeInnerList(input)}`);
  return { ok: true, base: lines.join('\n') };
}

function derived(name: string, message: SenderMessage, origin: URL | undefined): string | undefined {
  const target = message.query === undefined ? message.path : `${message.path}?${message.query}`;
  const called = origin ?? (/^https?:\/\//i.test(message.url) ? new URL(message.url) : undefined);
  switch (name) {
    case '@method':
      return message.method;
    case '@path':
      return message.path;
    case '@query':
      return `?${message.query ?? ''}`;
    case '@request-target':
      return target;
    case '@authority':
      return origin?.host ?? message.headers.get('host')?.toLowerCase() ?? called?.host;
    case '@scheme':
      return called?.protocol.slice(0, -1);
    case '@target-uri':
      return called === undefined ? undefined : `${called.origin}${target}`;
    default:
      return undefined;
  }
}
