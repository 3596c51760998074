import { UnsupportedError } from 'insitu'
import type { Database } from './database.js'

const FORMAT = 1

/**
 * Ids are text, so that the sqlite3 shell shows them. Aliases and mark keys may hold any character, NUL included, and keys of rows are
 * ordered bytes: these are blobs, which SQLite compares byte by byte, the very order that the contract asks for. What only the core
 * understands (cells, intents, redo) is kept as bytes of `encodeWire` and never looked into by SQL.
 *
 * An object or alias that is only reserved has a record as well: `revision`, or `object`, is NULL. A removed row stays with neither
 * values nor sums, or an older write that comes later would bring it back.
 */
const SCHEMA = `
CREATE TABLE objects (id TEXT PRIMARY KEY, class TEXT NOT NULL, revision INTEGER, commit_id TEXT, cells BLOB, intent BLOB) WITHOUT ROWID;
CREATE INDEX objects_by_class ON objects (class, id);
CREATE TABLE aliases (alias BLOB PRIMARY KEY, object TEXT, ref BLOB, intent BLOB) WITHOUT ROWID;
CREATE INDEX aliases_by_object ON aliases (object, alias);
CREATE TABLE marks (home TEXT, key BLOB, mark BLOB NOT NULL, PRIMARY KEY (home, key)) WITHOUT ROWID;
CREATE TABLE staged (home TEXT, commit_id TEXT, redo BLOB NOT NULL, PRIMARY KEY (home, commit_id)) WITHOUT ROWID;
CREATE TABLE receipts (commit_id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, receipt BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX receipts_by_age ON receipts (at_ms);
CREATE TABLE tables (id TEXT PRIMARY KEY, definition BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (tbl TEXT, key BLOB, at_micros INTEGER NOT NULL, vals BLOB, sums BLOB, PRIMARY KEY (tbl, key)) WITHOUT ROWID;
CREATE INDEX removed_rows ON rows (at_micros) WHERE vals IS NULL AND sums IS NULL;
PRAGMA user_version = ${FORMAT};
`

/** Makes a new file ours; refuses one that is somebody else's, or of another format. In a transaction, since two may open at once. */
export function makeSchema(db: Database, url: string): void {
  db.transaction(() => {
    const [format] = db.one<[bigint]>('PRAGMA user_version')!
    const [objects] = db.one<[bigint]>('SELECT count(*) FROM sqlite_schema')!
    if (format === 0n && objects === 0n) db.exec(SCHEMA)
    else if (format !== BigInt(FORMAT))
      throw new UnsupportedError(`${url} has format ${format}, this version reads ${FORMAT}.`, { code: 'ERR_FORMAT_VERSION', format })
  })
}

/** Drops receipts and traces of removed rows that have been kept long enough: nobody sends groups that old again. */
export function sweep(db: Database, keptSinceMs: number): void {
  db.transaction(() => {
    db.run('DELETE FROM receipts WHERE at_ms < ?', keptSinceMs)
    db.run('DELETE FROM rows WHERE vals IS NULL AND sums IS NULL AND at_micros < ?', keptSinceMs * 1000)
  })
}
