// The built dashboard in memory: a handful of files, read once, each with its gzip form and its media type. Names of assets
// carry a hash of their content, so browsers may keep them for ever; the document itself is asked for each time.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

export interface PageFile {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** By path relative to the folder, with slashes; undefined when it was never built. */
export async function readPageFiles(folder: URL): Promise<ReadonlyMap<string, PageFile> | undefined> {
  const root = fileURLToPath(folder);
  const files = new Map<string, PageFile>();
  try {
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
      const contentType = contentTypes[extname(entry.name)];
      if (!entry.isFile() || contentType === undefined) continue;
      const path = join(entry.parentPath, entry.name);
      const bytes = new Uint8Array(await readFile(path));
      const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
      const gzipped = new Uint8Array(await promisify(gzip)(bytes));
      files.set(path.slice(root.length).replaceAll('\\', '/').replace(/^\//, ''), {
        contentType,
        bytes,
        gzipped,
        etag,
      });
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return files;
}

export function fileResponse(
  file: PageFile,
  request: Headers,
  headers: Readonly<Record<string, string>>,
  status = 200,
) {
  const common = { ...headers, 'content-type': file.contentType, etag: file.etag, vary: 'accept-encoding' };
  if (status === 200 && request.get('if-none-match') === file.etag) {
    return new Response(null, { status: 304, headers: common });
  }
  const accepts = /\bgzip\b/.test(request.get('accept-encoding') ?? '');
  if (!accepts) return new Response(file.bytes, { status, headers: common });
  return new Response(file.gzipped, { status, headers: { ...common, 'content-encoding': 'gzip' } });
}
