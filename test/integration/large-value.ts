/** `node large-value.js store|load|both URL BYTES…`: an object for each size; says the most anonymous memory that it took beyond its start. */
import { readFileSync } from 'node:fs'
import { connect, StorageObject } from 'insitu'

class Large extends StorageObject {
  static readonly typeName = 'insitu/test#Large'
  value = new Uint8Array(0)
  size = 0
}

const [role = '', url = '', ...sizes] = process.argv.slice(2)

/** Mapped pages do not count. Linux tells it; elsewhere nothing is said of memory. */
function anonymousBytes(): number {
  try {
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024
  } catch {
    return 0
  }
}

const at = (i: number): number => (i * 31 + (i >> 12)) & 255
/** A step that is no divisor of a page or a chunk, so that every page of the value is looked at. */
const STEP = 1021

const before = anonymousBytes()
let peakBytes = 0
const watcher = setInterval(() => {
  peakBytes = Math.max(peakBytes, anonymousBytes() - before)
}, 5)

async function store(bytes: number): Promise<void> {
  const o = new Large()
  o.value = new Uint8Array(bytes)
  for (let i = 0; i < bytes; i += STEP) o.value[i] = at(i)
  o.size = bytes
  await o.makePersistent(`large ${bytes}`)
}

async function load(bytes: number): Promise<void> {
  const { value, size } = await Large.getByAlias(`large ${bytes}`)
  if (value.length !== bytes || size !== bytes) throw new Error(`${value.length} bytes of ${bytes}`)
  for (let i = 0; i < bytes; i++) if (value[i] !== (i % STEP === 0 ? at(i) : 0)) throw new Error(`byte ${i} of ${bytes} is ${value[i]}`)
}

const opened = await connect(url)
for (const size of sizes) {
  if (role !== 'load') await store(Number(size))
  if (role === 'both') await connect(url).then((other) => other.run(() => load(Number(size))))
  if (role === 'load') await load(Number(size))
}
peakBytes = Math.max(peakBytes, anonymousBytes() - before)
clearInterval(watcher)
await opened.close()
process.stdout.write(JSON.stringify({ peakBytes }))
process.exit()
