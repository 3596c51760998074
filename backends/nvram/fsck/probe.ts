/** Reads a whole file by LMDB: a process of its own, which a damaged map may end. `node probe.js FOLDER` */
import { type Database, open } from 'lmdb'
import { DATABASES } from '../databases.js'

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const
const root = open<Uint8Array, Uint8Array>(process.argv[2]!, { ...BINARY, noSubdir: false, readOnly: true, maxDbs: 24 })
let bytes = 0
for (const name of Object.values(DATABASES)) {
  const records = root.openDB({ name, ...BINARY }) as Database<Uint8Array, Uint8Array> | undefined
  for (const { key, value } of records?.getRange({ start: Uint8Array.of(0) }) ?? []) bytes += key.length + value.length
}
process.stdout.write(`${bytes} bytes read\n`)
await root.close()
