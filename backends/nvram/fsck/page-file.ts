/**
 * An LMDB file (data version 2) read page by page, without LMDB: a damaged map ends the process of whoever follows it, this reader
 * checks every step and goes on behind what is damaged. Reads only.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { CorruptError, UnavailableError } from '../../../src/errors.js'

/** Told what is wrong with a page, and of which tree. */
export type OnDamage = (page: number, tree: string, how: string) => void

export interface Tree {
  readonly root: number
  readonly entries: number
  readonly depth: number
}

export interface Meta {
  readonly page: 0 | 1
  readonly txn: bigint
  readonly lastPage: number
  readonly free: Tree
  readonly main: Tree
}

export interface Entry {
  readonly key: Buffer
  readonly value: Buffer
  readonly page: number
  readonly flags: number
}

const HEAD_BYTES = 24
const FLAGS_AT = 18
const LOWER_AT = 20
const UPPER_AT = 22
const BRANCH = 1
const LEAF = 2
const OVERFLOW = 4
const META = 8
const KINDS = BRANCH | LEAF | OVERFLOW | META

const NODE_HEAD_BYTES = 8
const BIG = 1
const SUB_TREE = 2
const TREE_BYTES = 48

const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const NO_PAGE = 0xffff_ffff_ffff_ffffn
const DEPTH_MAX = 32

export class PageFile {
  readonly pageBytes: number
  readonly metas: readonly Meta[]
  /** Pages that a tree was seen to use. */
  readonly used = new Set<number>()
  readonly #file: number
  readonly #bytes: number

  /** Errors: UnavailableError when there is no such file, CorruptError when neither of the two first pages says where anything lies. */
  constructor(path: string, onDamage: OnDamage) {
    this.#file = opened(path)
    this.#bytes = fstatSync(this.#file).size
    try {
      this.pageBytes = this.#findPageBytes() ?? fail(path, 'neither of its first pages is one of an LMDB file')
      this.metas = ([0, 1] as const).flatMap((page) => this.#meta(page, onDamage) ?? [])
      if (this.metas.length === 0) fail(path, 'both pages that say where everything lies are damaged')
    } catch (error) {
      closeSync(this.#file)
      throw error
    }
  }

  get pages(): number {
    return Math.ceil(this.#bytes / this.pageBytes)
  }

  /** The state of the last commit. */
  get newest(): Meta {
    return this.metas.reduce((a, b) => (b.txn > a.txn ? b : a))
  }

  /** The last two commits: when they are others than before, somebody writes. */
  get commits(): string {
    return [0, 1].map((page) => this.#page(page)?.readBigUInt64LE(TXN_AT)).join()
  }

  close(): void {
    closeSync(this.#file)
  }

  /** Entries of a tree in order. What cannot be read is told, and left out. */
  *entries(tree: Tree, name: string, onDamage: OnDamage, compare: Compare = Buffer.compare): Generator<Entry, void, void> {
    if (tree.root < 0) return
    let count = 0
    let isWhole = true
    const told: OnDamage = (page, of, how) => {
      isWhole = false
      onDamage(page, of, how)
    }
    for (const entry of this.#walk(tree.root, { name, depth: 1, onDamage: told, compare })) {
      count++
      yield entry
    }
    if (isWhole && count !== tree.entries) onDamage(tree.root, name, `it has ${count} entries and says ${tree.entries}`)
  }

  /** The named trees of a state. */
  *trees(meta: Meta, onDamage: OnDamage): Generator<readonly [name: string, tree: Tree], void, void> {
    for (const { key, value, flags, page } of this.entries(meta.main, 'the list of databases', onDamage)) {
      // lmdb-js ends names as C does.
      const name = key.toString().replace(/\0$/, '')
      if (flags !== SUB_TREE || value.length !== TREE_BYTES) onDamage(page, name, 'it is no database')
      else yield [name, treeAt(value, 0)]
    }
  }

  /** Pages that a state has given back. */
  freePages(meta: Meta, onDamage: OnDamage): Set<number> {
    const free = new Set<number>()
    for (const { value } of this.entries(meta.free, 'the list of free pages', onDamage, compareNumbers))
      for (const page of pagesIn(value, this.pages)) free.add(page)
    return free
  }

  /** The commit that wrote a page, if it is a sound leaf. */
  leafTxn(page: number): bigint | undefined {
    const bytes = this.#page(page)
    return bytes && (bytes.readUInt16LE(FLAGS_AT) & KINDS) === LEAF && !this.#wrongWith(bytes, page) ? bytes.readBigUInt64LE(8) : undefined
  }

  /** Entries of a page that no tree leads to, if it is a sound leaf. */
  strays(page: number): readonly Entry[] {
    const bytes = this.#page(page)
    if (!bytes || this.leafTxn(page) === undefined) return []
    const quiet: OnDamage = () => {}
    return this.#nodes(bytes).flatMap(
      (node) => this.#leafEntry(bytes, node, page, { name: '', depth: 1, onDamage: quiet, compare: Buffer.compare }) ?? [],
    )
  }

  // ---- pages

  *#walk(page: number, at: Place): Generator<Entry, void, void> {
    const bytes = this.#claim(page, at)
    if (!bytes) return
    const isLeaf = (bytes.readUInt16LE(FLAGS_AT) & KINDS) === LEAF
    let last: Buffer | undefined
    for (const node of this.#nodes(bytes)) {
      const key = keyAt(bytes, node)
      const isOrdered = last === undefined || (last.length === 0 && !isLeaf) || at.compare(last, key) < 0
      if (!isOrdered || !isWithin(key, at, isLeaf)) at.onDamage(page, at.name, 'its keys are out of order')
      if (isLeaf) {
        const entry = this.#leafEntry(bytes, node, page, at)
        if (entry) yield entry
      }
      last = key
    }
    if (!isLeaf) yield* this.#children(bytes, at)
  }

  *#children(bytes: Buffer, at: Place): Generator<Entry, void, void> {
    const nodes = this.#nodes(bytes)
    for (const [i, node] of nodes.entries()) {
      const child = bytes.readUInt16LE(node) + bytes.readUInt16LE(node + 2) * 0x1_0000 + bytes.readUInt16LE(node + 4) * 0x1_0000_0000
      const next = nodes[i + 1]
      // The first key of a branch stands for everything below the second.
      const from = i === 0 ? at.from : keyAt(bytes, node)
      yield* this.#walk(child, { ...at, depth: at.depth + 1, from, to: next === undefined ? at.to : keyAt(bytes, next) })
    }
  }

  /** A page of a tree, once. */
  #claim(page: number, { name, depth, onDamage }: Place): Buffer | undefined {
    const bytes = this.#page(page)
    const how = depth > DEPTH_MAX ? 'its tree is too deep' : this.used.has(page) ? 'it is used twice' : this.#wrongWith(bytes, page)
    if (how) {
      onDamage(page, name, how)
      return undefined
    }
    this.used.add(page)
    return bytes
  }

  #wrongWith(bytes: Buffer | undefined, page: number): string | undefined {
    if (!bytes) return 'it lies behind the end of the file'
    if (bytes.readBigUInt64LE(0) !== BigInt(page)) return 'it is another page'
    const kind = bytes.readUInt16LE(FLAGS_AT) & KINDS
    if (kind !== BRANCH && kind !== LEAF) return 'it is no page of a tree'
    const [lower, upper] = [bytes.readUInt16LE(LOWER_AT), bytes.readUInt16LE(UPPER_AT)]
    const room = this.pageBytes - HEAD_BYTES
    if (lower === 0 || lower % 2 !== 0 || lower > upper || upper > room) return 'its bounds are impossible'
    for (const node of this.#nodes(bytes)) {
      const at = node - HEAD_BYTES
      if (at < upper || at + NODE_HEAD_BYTES > room || at + NODE_HEAD_BYTES + bytes.readUInt16LE(node + 6) > room)
        return 'an entry lies outside of it'
    }
    return undefined
  }

  #nodes(bytes: Buffer): readonly number[] {
    return Array.from({ length: bytes.readUInt16LE(LOWER_AT) >> 1 }, (_, i) => HEAD_BYTES + bytes.readUInt16LE(HEAD_BYTES + i * 2))
  }

  #leafEntry(bytes: Buffer, node: number, page: number, at: Place): Entry | undefined {
    const length = bytes.readUInt32LE(node)
    const flags = bytes.readUInt16LE(node + 4)
    const key = Buffer.from(keyAt(bytes, node))
    const start = node + NODE_HEAD_BYTES + key.length
    if (flags & BIG) {
      const value = this.#bigValue(bytes, start, length, at)
      return value && { key, value, page, flags: flags & ~BIG }
    }
    if (start + length > this.pageBytes) {
      at.onDamage(page, at.name, 'a value is longer than its page')
      return undefined
    }
    return { key, value: Buffer.from(bytes.subarray(start, start + length)), page, flags }
  }

  /** A value that has pages of its own. */
  #bigValue(bytes: Buffer, at: number, length: number, { name, onDamage }: Place): Buffer | undefined {
    if (at + 24 > this.pageBytes) return void onDamage(Number(bytes.readBigUInt64LE(0)), name, 'a value is longer than its page')
    const page = pageNumber(bytes.readBigUInt64LE(at))
    const pages = Math.ceil((HEAD_BYTES + length) / this.pageBytes)
    const head = this.#page(page)
    if (!head || (page + pages) * this.pageBytes > Math.ceil(this.#bytes / this.pageBytes) * this.pageBytes)
      return void onDamage(page, name, 'a value ends behind the end of the file')
    if (
      head.readBigUInt64LE(0) !== BigInt(page) ||
      (head.readUInt16LE(FLAGS_AT) & KINDS) !== OVERFLOW ||
      head.readUInt32LE(LOWER_AT) !== pages
    )
      return void onDamage(page, name, 'it does not hold the value that it should')
    for (let i = page; i < page + pages; i++) this.used.add(i)
    return this.#read(page * this.pageBytes + HEAD_BYTES, length) ?? void onDamage(page, name, 'a value ends behind the end of the file')
  }

  #page(page: number): Buffer | undefined {
    return page < 0 || page >= this.pages ? undefined : this.#read(page * this.pageBytes, this.pageBytes)
  }

  #read(at: number, length: number): Buffer | undefined {
    if (at + length > this.#bytes) return undefined
    const bytes = Buffer.allocUnsafe(length)
    let done = 0
    while (done < length) {
      const n = readSync(this.#file, bytes, done, length - done, at + done)
      if (n === 0) return undefined
      done += n
    }
    return bytes
  }

  // ---- the first two pages

  /** As the first page says; when that is damaged, as the second says, wherever it is. */
  #findPageBytes(): number | undefined {
    const said = (at: number): number | undefined => {
      const bytes = this.#read(at, META_BYTES)
      const pageBytes = bytes?.readUInt32LE(PAGE_BYTES_AT) ?? 0
      return bytes?.readUInt32LE(MAGIC_AT) === MAGIC && PAGE_SIZES.includes(pageBytes) ? pageBytes : undefined
    }
    return said(0) ?? PAGE_SIZES.find((size) => said(size) === size)
  }

  #meta(page: 0 | 1, onDamage: OnDamage): Meta | undefined {
    const bytes = this.#read(page * this.pageBytes, META_BYTES)
    const how = this.#wrongWithMeta(bytes)
    if (how || !bytes) return void onDamage(page, 'the file', how ?? 'it is missing')
    return {
      page,
      txn: bytes.readBigUInt64LE(TXN_AT),
      lastPage: pageNumber(bytes.readBigUInt64LE(LAST_PAGE_AT)),
      free: treeAt(bytes, TREES_AT),
      main: treeAt(bytes, TREES_AT + TREE_BYTES),
    }
  }

  #wrongWithMeta(bytes: Buffer | undefined): string | undefined {
    if (!bytes) return 'it lies behind the end of the file'
    if (bytes.readUInt32LE(MAGIC_AT) !== MAGIC || bytes.readUInt32LE(PAGE_BYTES_AT) !== this.pageBytes)
      return 'it does not begin as it must'
    if (bytes.readUInt32LE(VERSION_AT) !== DATA_VERSION) return `it is of data version ${bytes.readUInt32LE(VERSION_AT)}`
    if ((bytes.readUInt16LE(FLAGS_AT) & KINDS) !== META) return 'it is no page of its kind'
    return undefined
  }
}

/** Offsets in the first two pages. */
const MAGIC_AT = 24
const VERSION_AT = 28
const TREES_AT = 48
const PAGE_BYTES_AT = TREES_AT
const LAST_PAGE_AT = 144
const TXN_AT = 152
const META_BYTES = 160
const PAGE_SIZES = [4096, 8192, 16384, 32768, 65536]

interface Place {
  readonly name: string
  readonly depth: number
  readonly onDamage: OnDamage
  readonly compare: Compare
  /** What its parents say of its keys: not below `from`, and below `to`. */
  readonly from?: Buffer | undefined
  readonly to?: Buffer | undefined
}

/** How a tree orders its keys. */
type Compare = (a: Buffer, b: Buffer) => number

/** Free pages are listed by the number of the commit that gave them back, in the machine's order of bytes. */
const compareNumbers: Compare = (a, b) => (a.length === b.length ? a.readUIntLE(0, 6) - b.readUIntLE(0, 6) : a.length - b.length)

function keyAt(bytes: Buffer, node: number): Buffer {
  return bytes.subarray(node + NODE_HEAD_BYTES, node + NODE_HEAD_BYTES + bytes.readUInt16LE(node + 6))
}

function isWithin(key: Buffer, { from, to, compare }: Place, isLeaf: boolean): boolean {
  if (key.length === 0 && !isLeaf) return true
  return (from === undefined || compare(from, key) <= 0) && (to === undefined || compare(key, to) < 0)
}

const treeAt = (bytes: Buffer, at: number): Tree => ({
  depth: bytes.readUInt16LE(at + 6),
  entries: Number(bytes.readBigUInt64LE(at + 32)),
  root: pageNumber(bytes.readBigUInt64LE(at + 40)),
})

/** -1: none. */
const pageNumber = (page: bigint): number => (page === NO_PAGE ? -1 : Number(page))

/** A list of free pages: how many, then each; a negative one says how many follow on the one after it. */
function* pagesIn(value: Buffer, pages: number): Generator<number, void, void> {
  for (let at = 8; at + 8 <= value.length; at += 8) {
    const page = value.readBigInt64LE(at)
    if (page >= 0n) yield Number(page)
    else if (at + 16 <= value.length) {
      const first = Number(value.readBigInt64LE(at + 8))
      for (let i = 0; i < Math.min(Number(-page), pages); i++) yield first + i
      at += 8
    }
  }
}

function opened(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw new UnavailableError(`${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`, { cause })
  }
}

function fail(path: string, how: string): never {
  throw new CorruptError(`${path} cannot be checked: ${how}. Restore it from a backup.`, { path })
}
