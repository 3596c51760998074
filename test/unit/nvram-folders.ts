/** Folders of a test file's own, and a file opened there for a while. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBackend } from '../../backends/nvram/index.js'
import type { Backend } from '../../src/backend.js'

/** Gives folders that are removed after the tests of the file. */
export function foldersFor(name: string): () => string {
  const folders: string[] = []
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  })
  return () => {
    const folder = mkdtempSync(join(tmpdir(), `insitu-${name}-`))
    folders.push(folder)
    return folder
  }
}

export async function on<T>(folder: string, use: (backend: Backend) => Promise<T>): Promise<T> {
  const backend = createBackend(`nvram:${folder}`)
  await backend.open()
  try {
    return await use(backend)
  } finally {
    await backend.close()
  }
}
