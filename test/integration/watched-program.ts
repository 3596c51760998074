/** `node watched-program.js URL ID TIMES`: counts an object up, one save after the other, waits for a line on stdin, and deletes it. */
import { once } from 'node:events'
import { connect, type Id, StorageObject, update } from '../../runtime/index.js'

class Watched extends StorageObject {
  static readonly typeName = 'insitu/test#Watched'
  n = 0
}

const [url = '', id = '', times = '0'] = process.argv.slice(2)
const store = await connect(url)
const o = await Watched.getByID(id as Id)
for (let i = 0; i < Number(times); i++) await update(o, () => void o.n++)
await once(process.stdin, 'data')
await o.deletePersistent()
await store.close()
process.stdin.destroy()
