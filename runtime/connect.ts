import type { Backend } from '../src/backend.js'
import type { Constructor } from '../src/classes/class-locator.js'
import { registerClass } from '../src/classes/class-registry.js'
import { UnavailableError, ValidationError } from '../src/errors.js'
import { assertKnown } from '../src/known-options.js'
import { Store, type StoreOptions } from '../src/store.js'
import { programUnit, setDefaultOpener, setProgramUnit } from '../src/unit/context.js'
import type { UnitOfWork } from '../src/unit/unit-of-work.js'
import { storageInFile } from './config-file.js'
import { currentRunner, isProgramThread } from './current-runtime.js'
import { prepareWorker, warmSpare } from './engines/spare-worker.js'
import { HOSTS_LEASE_MS } from './hosts/host-places.js'
import { claimHosts, folderFor, folderOf } from './hosts/hosts-folder.js'
import { openOnHosts } from './hosts/the-hosts.js'
import { openBackend } from './open-backend.js'
import { hostsWanted, isolationWanted, runtimeIsOff } from './runtime-config.js'
import { hasTasks } from './tasks/task.js'
import { tellOfUnsavedRows } from './unsaved-rows.js'

export interface ConnectOptions extends StoreOptions {
  /** Classes that stored objects may be of, when no loaded module exports them. */
  readonly classes?: readonly Constructor[]
}

const CONNECT_OPTIONS: readonly (keyof ConnectOptions)[] = ['ack', 'patienceMs', 'leaseMs', 'classes', 'direct']

/**
 * Opens a store. The first one that a program connects is its default. Without a url: `INSITU_STORAGE`, else `storage` in
 * `insitu.config.*` (json, js, mjs, cjs, ts, mts) or package.json's `insitu`, found upward, else `nvram:.insitu`. A relative folder in such a
 * file lies beside it.
 * @throws NotOwnerError, UnavailableError, UnsupportedError, CorruptError, ValidationError (ERR_HOSTS_STORE, ERR_HOSTS_DIFFER among others)
 */
export async function connect(where?: string | Backend, options: ConnectOptions = {}): Promise<Store> {
  assertKnown(options, CONNECT_OPTIONS, 'connect()')
  for (const ctor of options.classes ?? []) registerClass(ctor)
  const backend = typeof where === 'object' ? where : await openAt(where ?? (await configuredStorage()))
  if (where === undefined) await requireHosts(backend)
  if (typeof where === 'object') await backend.open()
  const store = await storeOn(backend, options)
  store.isChosen = where !== undefined
  if (!programUnit()) setProgramUnit(store.program)
  closed = undefined
  return store
}

async function storeOn(backend: Backend, options: ConnectOptions): Promise<ConnectedStore> {
  const isOnHosts = backend.places && backend.capabilities.reach !== 'network'
  const { ack } = options
  try {
    if (ack !== undefined && !backend.capabilities.acks.includes(ack)) await backend.flush(ack) // refuses it, and names the setting
    return new ConnectedStore(backend, isOnHosts ? { leaseMs: HOSTS_LEASE_MS, ...options } : options)
  } catch (error) {
    await backend.close() // options that are refused leave nothing open
    throw error
  }
}

async function openAt(url: string): Promise<Backend> {
  const folder = hostsWanted() === undefined ? undefined : folderOf(url)
  if (folder === undefined) {
    if (willRunTasks()) prepareWorker(isolationWanted())
    warmSpare({ url })
    return openBackend(url)
  }
  // Without the runtime there are no agents: the files are the same ones, opened here.
  if (runtimeIsOff()) claimHosts(folder, hostsWanted()!)
  return runtimeIsOff() ? openBackend(url) : openOnHosts(folder)
}

/**
 * The store that was asked for along with the hosts must be one whose data lie on several, or nothing of them would be seen. One that a program opens
 * by itself may lie where it likes.
 */
async function requireHosts(backend: Backend): Promise<void> {
  const { places, capabilities, url } = backend
  const hosts = hostsWanted()
  if (hosts === undefined || places || capabilities.reach === 'network' || runtimeIsOff()) return
  await backend.close()
  throw new ValidationError(
    `the data of ${url} cannot lie on ${hosts} hosts: use a store of files (--storage nvram:FOLDER) or a server, or run without --hosts`,
    { code: 'ERR_HOSTS_STORE', hosts, url },
  )
}

/** Then the first worker loads while the store opens. */
const willRunTasks = (): boolean => hasTasks() && isProgramThread() && !runtimeIsOff() && !currentRunner()

/** The default store that the program had chosen by its url, and closed. */
let closed: string | undefined

class ConnectedStore extends Store {
  isChosen = false

  constructor(backend: Backend, options: StoreOptions) {
    super(backend, options)
    if (isProgramThread()) tellOfUnsavedRows()
  }

  override async close(): Promise<void> {
    if (programUnit() === this.program) {
      setProgramUnit(undefined)
      if (this.isChosen) closed = this.url
    }
    await super.close()
  }
}

export async function configuredStorage(): Promise<string> {
  const fromEnvironment = process.env['INSITU_STORAGE']
  if (fromEnvironment) return fromEnvironment
  const fromFile = await storageInFile()
  if (fromFile !== undefined) return fromFile
  return hostsWanted() === undefined ? 'nvram:.insitu' : `nvram:${folderFor('.insitu', hostsWanted()!)}`
}

let opening: Promise<UnitOfWork> | undefined

/** Opens the default store once, at the first use of an object. */
function openDefault(): Promise<UnitOfWork> {
  const open = programUnit()
  if (open) return Promise.resolve(open)
  // What was meant for the one that was chosen must not silently go to another.
  if (closed !== undefined)
    return Promise.reject(new UnavailableError(`${closed} was closed: \`await connect(url)\` again`, { code: 'ERR_CLOSED', url: closed }))
  opening ??= connect()
    .then((store) => store.program)
    .finally(() => {
      opening = undefined
    })
  return opening
}

setDefaultOpener(openDefault)
