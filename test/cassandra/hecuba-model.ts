/** Classes of which Hecuba has the like, and tasks on them. */
import { INOUT, StorageDict, StorageObject, t, task } from '../../runtime/index.js'

export class Author extends StorageObject {
  static readonly typeName: string = 'shop/model#Author'
  static readonly columns = { name: t.text, born: t.date }
  name: string | null = ''
  born: string | null = null
}

export class Book extends StorageObject {
  static readonly typeName = 'shop/model#Book'
  static readonly columns = {
    title: t.text,
    pages: t.i32,
    copies: t.i64,
    price: t.f64,
    weight: t.f32,
    open: t.bool,
    cover: t.blob,
    printed: t.timestamp,
    at: t.time,
    author: t.ref(() => Author),
    words: StorageDict,
  }
  title: string | null = 'none'
  pages: number | null = 0
  copies: bigint | null = 0n
  price: number | null = 0
  weight: number | null = 0
  open: boolean | null = false
  cover: Uint8Array | null = null
  printed: Date | null = null
  at: string | null = null
  author: Author | null = null
  words = new StorageDict({ word: t.text }, { n: t.i32 })
}

/** Adds so many pages, and a row that says so. */
export const write = task(
  (book: Book, pages: number) => {
    book.pages = (book.pages ?? 0) + pages
    book.words.set({ word: `page ${book.pages}` }, { n: pages })
    return book.pages
  },
  { args: [INOUT] },
)
