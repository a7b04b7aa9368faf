import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll } from 'vitest'
import { type Dataset, resolveDataset } from '../../src/data/dataset.js'
import { Xxh64 } from '../../src/data/format/xxhash64.js'
import { type Batch, type Loader, type LoaderOptions, openLoader } from '../../src/data/loader.js'
import { parseManifest } from '../../src/data/manifest.js'
import type { ByteSource } from '../../src/util/byte-source.js'

/** Ids are UTF-8 bytes + 3; 1 = BOS, 2 = EOS. */
export const bytesTokenizer = {
  tokenize: async (texts: string[]): Promise<Int32Array[]> =>
    texts.map(text => Int32Array.from(Buffer.from(text), byte => byte + 3)),
  tokenizerHash: 'bytes',
  bosTokenId: 1,
  eosTokenId: 2,
}

/** The text of byte-tokenizer ids, special tokens dropped. */
export function decodeBytes(ids: ArrayLike<number>): string {
  return Buffer.from(
    Array.from(ids)
      .filter(id => id >= 3)
      .map(id => id - 3),
  ).toString('utf8')
}

/** A new folder that is removed when the test file ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'llama-pro-data-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Bytes in memory, streamed in pieces of `pieceBytes`; counts streams that were opened and not closed. */
export function memorySource(bytes: Uint8Array, pieceBytes = 1 << 16, path = 'memory'): ByteSource & { open: number } {
  const source = {
    path,
    byteLength: bytes.byteLength,
    open: 0,
    slice: async (start: number, end: number) => bytes.slice(start, end),
    async *stream(start = 0) {
      source.open++
      try {
        for (let at = start; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
      } finally {
        source.open--
      }
    },
  }
  return source
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

export function jsonLines(texts: string[]): Buffer {
  return Buffer.from(texts.map(text => `${JSON.stringify({ text })}\n`).join(''))
}

/** A Zstandard frame of raw blocks (RFC 8878, 3.1.1.2), with a checksum unless told otherwise. */
export function zstdFrame(content: Uint8Array, { checksum = true, blockBytes = 1000 } = {}): Buffer {
  const parts = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, checksum ? 0x04 : 0x00, 0x58])]
  const blocks = Math.max(1, Math.ceil(content.byteLength / blockBytes))
  for (let b = 0; b < blocks; b++) {
    const block = content.subarray(b * blockBytes, (b + 1) * blockBytes)
    const head = (block.byteLength << 3) | (b === blocks - 1 ? 1 : 0)
    parts.push(Buffer.from([head & 0xff, (head >> 8) & 0xff, head >> 16]), Buffer.from(block))
  }
  if (checksum) {
    const hash = new Xxh64()
    hash.update(content)
    const stored = Buffer.alloc(4)
    stored.writeUInt32LE(hash.low32())
    parts.push(stored)
  }
  return Buffer.concat(parts)
}

/** Cuts at arbitrary bytes, inside lines and characters. */
export function zstdFrames(content: Uint8Array, frameBytes: number): Buffer {
  const frames: Buffer[] = []
  for (let at = 0; at < content.byteLength; at += frameBytes)
    frames.push(zstdFrame(content.subarray(at, at + frameBytes)))
  return Buffer.concat(frames)
}

export function parquetOf(
  texts: (string | null)[],
  { rowGroupSize = 3, column = 'content', lang = 'Python' } = {},
): Buffer {
  const columnData = [
    { name: column, data: texts, type: 'STRING' as const },
    { name: 'lang', data: texts.map(() => lang), type: 'STRING' as const },
  ]
  return Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize }))
}

/** Writes a file named for its format and returns its path. */
export function writeShard(folder: string, name: string, texts: string[]): string {
  const lines = jsonLines(texts)
  const bytes = name.endsWith('.parquet')
    ? parquetOf(texts)
    : name.endsWith('.gz')
      ? gzipSync(lines)
      : name.endsWith('.zst')
        ? zstdFrames(lines, 97)
        : lines
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

/** Different texts of different lengths, recognisable by their label. */
export function sampleTexts(label: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${label}-${i} ${'xé'.repeat((i * 7919) % 23)}.`)
}

export function dataset(baseDir: string, manifest: Record<string, unknown>): Promise<Dataset> {
  return resolveDataset(parseManifest(manifest, { baseDir }))
}

/** A loader with small windows over byte tokens; it is disposed when `use` returns. */
export async function withLoader<T>(
  options: Partial<LoaderOptions> & Pick<LoaderOptions, 'sources'>,
  use: (loader: Loader) => Promise<T>,
): Promise<T> {
  const loader = openLoader({
    seed: 7,
    seqLen: 16,
    microBatch: 2,
    windowDocs: 5,
    groupsAhead: 1,
    ...bytesTokenizer,
    ...options,
  })
  try {
    return await use(loader)
  } finally {
    await loader.dispose()
  }
}

export async function takeBatches(loader: Loader, count: number): Promise<Batch[]> {
  const batches: Batch[] = []
  for (let i = 0; i < count; i++) batches.push(await loader.next())
  return batches
}
