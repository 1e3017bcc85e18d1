// A real DNS server on loopback over UDP, for tests: answers A, AAAA and CNAME from a table that may change while it
// runs, counts the questions, and can stay silent. Names it does not know get NXDOMAIN.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export interface Zone {
  readonly A?: readonly string[];
  readonly AAAA?: readonly string[];
  /** Followed inside this server, every step in the answer. */
  readonly CNAME?: string;
  readonly ttlSeconds?: number;
  /** 2 is SERVFAIL. */
  readonly rcode?: number;
  readonly silent?: boolean | 'A' | 'AAAA';
  /** Takes this zone's place as soon as it has given an address away once. */
  readonly next?: Zone;
}

export interface DnsServer extends AsyncDisposable {
  /** For `dnsServers`. */
  readonly address: string;
  readonly zones: Map<string, Zone>;
  /** `name type`, in order. */
  readonly questions: string[];
}

const types = new Map([
  [1, 'A'],
  [28, 'AAAA'],
] as const);

export async function startDnsServer(zones: Readonly<Record<string, Zone>> = {}): Promise<DnsServer> {
  const table = new Map(Object.entries(zones));
  const questions: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, type, end } = readQuestion(query);
    questions.push(`${name} ${type ?? 'other'}`);
    const zone = table.get(name);
    if (zone?.silent === true || (zone?.silent !== undefined && zone.silent === type)) return;
    const records = type === undefined ? [] : chain(table, name, type);
    if (zone?.next !== undefined && records.length > 0) table.set(name, zone.next);
    const rcode = zone === undefined ? 3 : (zone.rcode ?? 0);
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | rcode, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(rcode === 0 ? records.length : 0, 6);
    const answer = Buffer.concat([header, query.subarray(12, end), ...(rcode === 0 ? records : [])]);
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    zones: table,
    questions,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, 'close');
    },
  };
}

function readQuestion(query: Buffer): { name: string; type: 'A' | 'AAAA' | undefined; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const code = query.readUInt16BE(at + 1);
  const type = code === 1 || code === 28 ? types.get(code) : undefined;
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 };
}

function chain(zones: ReadonlyMap<string, Zone>, name: string, type: 'A' | 'AAAA'): Buffer[] {
  const zone = zones.get(name);
  if (zone === undefined) return [];
  const ttl = zone.ttlSeconds ?? 60;
  if (zone.CNAME !== undefined)
    return [record(name, 5, ttl, encodeName(zone.CNAME)), ...chain(zones, zone.CNAME, type)];
  return (zone[type] ?? []).map((address) => record(name, type === 'A' ? 1 : 28, ttl, encodeAddress(address)));
}

function record(name: string, type: number, ttl: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(name), fixed, data]);
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

/** IPv6 with `::` or all eight groups, hexadecimal only. */
function encodeAddress(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [left = [], right = []] = address.split('::').map((side) => (side === '' ? [] : side.split(':')));
  const zeros = new Array<string>(8 - left.length - right.length).fill('0');
  const bytes = Buffer.alloc(16);
  [...left, ...zeros, ...right].forEach((group, index) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  });
  return bytes;
}
