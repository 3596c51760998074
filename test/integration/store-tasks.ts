/** Tasks whose objects lie in several stores. */
import { StorageDict, StorageObject, t, task } from 'insitu'

export class Folder extends StorageObject {
  pages = 0
  /** In whatever store. */
  beside: Folder | null = null
  titles = new StorageDict({ page: t.i32 }, { title: t.text })
}

/** Follows a reference into another store, and writes nowhere else. */
export const turnBeside = task(async (folder: Folder) => {
  const beside = await folder.beside!.load()
  beside.pages++
  return beside
})

export const turn = task((folder: Folder) => ++folder.pages, { args: ['INOUT'] })

export const turnBoth = task(
  (one: Folder, other: Folder, title: string) => {
    one.pages++
    other.pages++
    other.titles.set({ page: other.pages }, { title })
    return [other, one]
  },
  { args: ['INOUT', 'INOUT'] },
)

export const failAfterBoth = task(
  async (one: Folder, other: Folder) => {
    one.pages = other.pages = 1000
    await one.save()
    await other.save()
    throw new Error('after both')
  },
  { args: ['INOUT', 'INOUT'], onFailure: 'FAIL' },
)

export const pagesOf = task((folders: readonly Folder[]) => folders.map(({ pages }) => pages))

export const titlesIn = task((titles: Folder['titles']) => titles.count())
