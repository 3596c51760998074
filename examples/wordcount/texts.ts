import { existsSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isSpace } from './count-words.js'

/** Where texts come from: every text file below a folder, or only those whose names match. */
export interface Texts {
  readonly folder: string
  readonly only?: RegExp
}

/** Texts that every project has: the licences and readmes of its packages. */
export const DEFAULT_TEXTS: Texts = { folder: 'node_modules', only: /licen[cs]e|readme/i }

export function textsIn(folder: string | undefined): Texts {
  const texts = folder === undefined ? DEFAULT_TEXTS : { folder: resolve(folder) }
  if (!existsSync(texts.folder)) throw new Error(`there is no folder ${texts.folder} here: name one with texts`)
  return texts
}

/** The text files, in a fixed order. Links are not followed, so that no file is counted twice and no loop is entered. */
export async function* textFiles({ folder, only }: Texts): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* textFiles({ folder: path, ...(only && { only }) })
    else if (entry.isFile() && (only?.test(entry.name) ?? true) && (await looksLikeText(path))) yield path
  }
}

const SNIFFED_BYTES = 8192

/** A file with a NUL byte near its start is no text. */
async function looksLikeText(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SNIFFED_BYTES), 0, SNIFFED_BYTES, 0)
    return !buffer.subarray(0, bytesRead).includes(0)
  } finally {
    await file.close()
  }
}

/** Large, since a word that is frequent is counted once a piece: what follows the counting grows with the pieces, not with the text. */
export const PIECE_BYTES_MAX = 8 * 1024 * 1024
const READ_BYTES = 64 * 1024

/**
 * A file's text in pieces of nearly 8 MiB, cut at whitespace so that no word is cut; only a longer word makes a longer piece.
 * Bytes that are no UTF-8 become U+FFFD. Holds no more than a piece.
 */
export async function* pieces(path: string): AsyncGenerator<string> {
  const file = await open(path)
  try {
    const decoder = new TextDecoder()
    let text = ''
    let bytes = 0
    for await (const chunk of file.createReadStream({ highWaterMark: READ_BYTES, autoClose: false }) as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true })
      bytes += chunk.length
      if (bytes + READ_BYTES <= PIECE_BYTES_MAX) continue
      const cut = lastSpace(text) + 1
      if (cut > 0) yield text.slice(0, cut)
      text = text.slice(cut)
      bytes = Buffer.byteLength(text)
    }
    text += decoder.decode()
    if (text !== '') yield text
  } finally {
    await file.close()
  }
}

function lastSpace(text: string): number {
  let at = text.length - 1
  while (at >= 0 && !isSpace(text.charCodeAt(at))) at--
  return at
}
