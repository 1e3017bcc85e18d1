// Reads `upvest-signature-version`, `signature-input` and `signature` of a message: which version, which label, which
// components and parameters, which bytes. Contract: "Verify" steps 1 to 4. It judges form only, never truth, and never
// throws for anything received. `params` is the member's text as received, because that text was signed.
import { type InnerList, isInnerList } from 'structured-headers';
import { decodeBase64 } from './base64.ts';
import { type HttpMessage, type MessageView, readMessage } from './message.ts';
import { quoted, type SignatureVersion } from './signature-base.ts';
import { type Member, parseMembers, splitOutsideStrings } from './structured-members.ts';

export type SignatureFieldsFailure =
  | 'missing_signature'
  | 'malformed_signature'
  | 'unsupported_version'
  | 'label_not_found'
  | 'unsupported_component'
  | 'missing_parameter';

export interface SignatureFields {
  readonly ok: true;
  readonly version: SignatureVersion;
  readonly label: string;
  readonly coveredComponents: readonly string[];
  /** The signature's member in `signature-input`, verbatim: list and parameters. */
  readonly params: string;
  readonly keyId: string;
  readonly created: number;
  readonly expires: number | undefined;
  readonly nonce: string;
  readonly alg: string | undefined;
  readonly signature: Uint8Array;
}

export interface SignatureFieldsRefusal {
  readonly ok: false;
  readonly reason: SignatureFieldsFailure;
  readonly detail: string;
  readonly keyId?: string;
}

/** Longest `keyid` and `nonce` taken: they are stored, and everything seen is at most 36 characters. */
export const maxIdentifierLength = 256;

function refuse(reason: SignatureFieldsFailure, detail: string, keyId?: string): SignatureFieldsRefusal {
  return keyId === undefined ? { ok: false, reason, detail } : { ok: false, reason, detail, keyId };
}

/** What a message says about its signature, unverified: for diagnostics and for choosing a key. */
export function readSignature(message: HttpMessage): SignatureFields | SignatureFieldsRefusal {
  return readSignatureFields(readMessage(message));
}

export function readSignatureFields(message: MessageView): SignatureFields | SignatureFieldsRefusal {
  const selector = message.headers.get('upvest-signature-version');
  if (selector !== undefined && selector !== '15') {
    return refuse('unsupported_version', `The upvest-signature-version ${quoted(selector)} is not supported`);
  }
  const version = selector === undefined ? 6 : 15;
  const inputHeader = message.headers.get('signature-input');
  const signatureHeader = message.headers.get('signature');
  if (inputHeader === undefined) return refuse('missing_signature', 'There is no signature-input header');
  if (signatureHeader === undefined) return refuse('missing_signature', 'There is no signature header');

  const inputs = parseMembers(inputHeader);
  if (inputs === undefined) return refuse('malformed_signature', 'The signature-input header is malformed');
  const signatures = parseMembers(signatureHeader);
  if (signatures === undefined) return refuse('malformed_signature', 'The signature header is malformed');
  const shared = [...inputs.keys()].filter((key) => signatures.has(key));
  const label = shared.includes('sig1') ? 'sig1' : shared.length === 1 ? shared[0] : undefined;
  const input = label === undefined ? undefined : inputs.get(label);
  const signatureMember = label === undefined ? undefined : signatures.get(label);
  if (label === undefined || input === undefined || signatureMember === undefined) {
    return refuse(
      'label_not_found',
      'signature-input and signature share neither the label sig1 nor exactly one other',
    );
  }
  return readMember(version, label, input, signatureMember);
}

function readMember(
  version: SignatureVersion,
  label: string,
  input: Member,
  signatureMember: Member,
): SignatureFields | SignatureFieldsRefusal {
  const { value, raw: params } = input;
  if (!isInnerList(value))
    return refuse('malformed_signature', 'The signature-input member is not a list of components');
  const parameters = readParameters(value, params);
  if (parameters === undefined) return refuse('malformed_signature', 'A signature parameter is malformed or repeated');
  const { keyId, created, expires, nonce, alg } = parameters;
  if (keyId === undefined) return refuse('missing_parameter', 'The signature has no keyid');
  if (created === undefined) return refuse('missing_parameter', 'The signature has no created', keyId);
  if (nonce === undefined) return refuse('missing_parameter', 'The signature has no nonce', keyId);

  const coveredComponents: string[] = [];
  for (const [name, itemParameters] of value[0]) {
    if (typeof name !== 'string')
      return refuse('malformed_signature', 'A covered component is not a quoted string', keyId);
    if (itemParameters.size > 0) {
      return refuse('unsupported_component', `The component ${quoted(name)} has parameters`, keyId);
    }
    coveredComponents.push(name);
  }
  const signature = decodeBase64(/^:([^:]*):$/.exec(signatureMember.raw)?.[1] ?? '');
  if (signature === undefined || signature.length === 0) {
    return refuse('malformed_signature', 'The signature is not padded base64 between colons', keyId);
  }
  return { ok: true, version, label, coveredComponents, params, keyId, created, expires, nonce, alg, signature };
}

interface Parameters {
  readonly keyId: string | undefined;
  readonly created: number | undefined;
  readonly expires: number | undefined;
  readonly nonce: string | undefined;
  readonly alg: string | undefined;
}

/** The known parameters; undefined when one has a wrong type or any is repeated. Absent ones stay undefined. */
function readParameters(list: InnerList, raw: string): Parameters | undefined {
  const [, parsed] = list;
  const [, ...pieces] = splitOutsideStrings(raw, ';');
  if (pieces.length !== parsed.size) return undefined;
  const texts = new Set(pieces.map((piece) => piece.trimStart()));
  const string = (key: string): string | undefined | null => {
    const value = parsed.get(key);
    if (value === undefined) return undefined;
    return typeof value === 'string' && value.length > 0 && value.length <= maxIdentifierLength ? value : null;
  };
  const integer = (key: string): number | undefined | null => {
    const value = parsed.get(key);
    if (value === undefined) return undefined;
    // The text is compared because the library reads 1.0 as 1, and this format knows integers only.
    return typeof value === 'number' && value >= 0 && texts.has(`${key}=${value}`) ? value : null;
  };
  const [keyId, nonce, alg] = [string('keyid'), string('nonce'), string('alg')];
  const [created, expires] = [integer('created'), integer('expires')];
  if (keyId === null || created === null || expires === null || nonce === null || alg === null) return undefined;
  return { keyId, created, expires, nonce, alg };
}
