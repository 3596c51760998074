/** A program that follows an object and says what it sees, a line each: `node watch-child.js URL ALIAS`. */
import { fileURLToPath } from 'node:url'
import { connect, StorageObject, watch } from 'insitu'

export class Watched extends StorageObject {
  static typeName = 'insitu-test#Watched'
  n = 0
}

// The test imports the class from here.
const [, program, url, alias] = process.argv
if (program === fileURLToPath(import.meta.url) && url && alias) {
  const store = await connect(url)
  const object = await Watched.getByAlias(alias)
  process.stdout.write('ready\n')
  for await (const { n } of watch(object)) process.stdout.write(`${n}\n`)
  process.stdout.write('gone\n')
  await store.close()
}
