// Strict DER check of an ECDSA signature: SEQUENCE { INTEGER r, INTEGER s }, minimal lengths, positive minimal
// integers, nothing after it. OpenSSL refuses most of the rest by itself; checking first gives raw r||s (what
// WebCrypto makes) a reason of its own and keeps the rule the same for every OpenSSL. Contract: "Verify" step 9.
// It does not judge the numbers: that is the verification's work.

const sequenceTag = 0x30;
const integerTag = 0x02;

/** The offsets of the content of the element at `start`, undefined unless tag and length are right. */
function readElement(bytes: Uint8Array, start: number, tag: number): { from: number; to: number } | undefined {
  const first = bytes[start + 1];
  if (bytes[start] !== tag || first === undefined) return undefined;
  if (first < 0x80) return { from: start + 2, to: start + 2 + first };
  // The largest signature here is 139 bytes: one length byte more is all there can be, and only from 128 on.
  const length = bytes[start + 2];
  if (first !== 0x81 || length === undefined || length < 0x80) return undefined;
  return { from: start + 3, to: start + 3 + length };
}

/** The offset behind a positive, minimal INTEGER of at most `maxBytes` (plus a sign byte) at `start`. */
function endOfInteger(bytes: Uint8Array, start: number, maxBytes: number): number | undefined {
  const element = readElement(bytes, start, integerTag);
  if (element === undefined || element.to > bytes.length) return undefined;
  const [first, second] = [bytes[element.from], bytes[element.from + 1]];
  const length = element.to - element.from;
  if (length < 1 || first === undefined || first >= 0x80) return undefined;
  if (first !== 0) return length <= maxBytes ? element.to : undefined;
  const isMinimal = length > 1 && second !== undefined && second >= 0x80;
  return isMinimal && length <= maxBytes + 1 ? element.to : undefined;
}

export function isDerEcdsaSignature(bytes: Uint8Array, coordinateBytes: number): boolean {
  const sequence = readElement(bytes, 0, sequenceTag);
  if (sequence === undefined || sequence.to !== bytes.length) return false;
  const endOfR = endOfInteger(bytes, sequence.from, coordinateBytes);
  return endOfR !== undefined && endOfInteger(bytes, endOfR, coordinateBytes) === bytes.length;
}
