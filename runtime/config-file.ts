/** The settings that a project keeps in a file, found upward from where the program was started. */
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ValidationError } from '../src/errors.js'
import { importModule } from './import-module.js'

const NAMES = ['package.json', ...['json', 'js', 'mjs', 'cjs', 'ts', 'mts'].map((extension) => `insitu.config.${extension}`)]

/**
 * `storage` in `insitu.config.*` or package.json's `insitu`; `undefined` where nothing says it. A folder that does not begin at the root lies
 * beside the file, wherever below it the program was started.
 * @throws ValidationError ERR_SETTING
 */
export async function storageInFile(): Promise<string | undefined> {
  const found = await search()
  if (!found) return undefined
  const { filepath, config } = found
  if (typeof config !== 'object' || config === null) throw wrong(`${filepath} holds no settings: { "storage": "nvram:./data" }`)
  for (const name of Object.keys(config))
    if (name !== 'storage') throw wrong(`${filepath}: there is no setting ${JSON.stringify(name)}, only "storage"`)
  const { storage } = config as { readonly storage?: unknown }
  if (storage === undefined) return undefined
  if (typeof storage !== 'string')
    throw wrong(`${filepath}: storage is a store's url, such as "nvram:./data", not ${JSON.stringify(storage)}`)
  return besideFile(storage, dirname(filepath))
}

type Load = (path: string, content: string) => unknown

async function search(): Promise<{ readonly filepath: string; readonly config: unknown } | undefined> {
  const { defaultLoaders, lilconfig } = await import('lilconfig') // most programs say where their store is
  const loads: Readonly<Record<string, Load>> = { ...defaultLoaders, '.ts': typed, '.mts': typed }
  const loaders = Object.fromEntries(Object.entries(loads).map(([extension, load]) => [extension, named(load)]))
  const found = await lilconfig('insitu', { searchPlaces: NAMES, loaders }).search()
  return found && !found.isEmpty ? found : undefined
}

const typed: Load = async (path) => {
  const module: { readonly default?: unknown } = await importModule(pathToFileURL(path).href)
  return module.default
}

/** What is wrong in a file is told with its name. */
const named =
  (load: Load): Load =>
  async (path, content) => {
    try {
      return await load(path, content)
    } catch (cause) {
      throw wrong(`${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    }
  }

/** `nvram:1LM:…` and `nvram:2LM:…` are no folders, and are refused as they are. */
const besideFile = (url: string, folder: string): string =>
  url.replace(/^nvram:(?![12]LM:)([^/].*)$/, (_, path: string) => `nvram:${resolve(folder, path)}`)

const wrong = (message: string, cause?: unknown): Error =>
  new ValidationError(message, { code: 'ERR_SETTING', ...(cause !== undefined && { cause }) })
