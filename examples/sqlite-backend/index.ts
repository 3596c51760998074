/**
 * A backend as a package of its own would have it: SQLite, by way of libsql. Importing it is all a program does:
 *
 *     import 'insitu-sqlite'
 *     const store = await connect('sqlite:./data.db')
 *
 * Read in this order: schema.ts (what lies where), commit-group.ts (the one way anything changes), sqlite-backend.ts (reading),
 * database.ts (the driver). docs/writing-a-backend.md says why each part is as it is.
 */
import { type BackendFactory, registerBackend } from 'insitu'
import { SqliteBackend } from './sqlite-backend.js'

export { SqliteBackend } from './sqlite-backend.js'

export const createBackend: BackendFactory = (url) => new SqliteBackend(url)

// Worker threads import this module too, and open the file themselves.
registerBackend('sqlite', import.meta.url)
