/** Names of tables and columns. All are quoted in CQL, so that they keep their case and may be words of the language. */
import { createHash } from 'node:crypto'

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Cassandra takes 48 characters. */
const LABEL_MAX = 30
const DIGEST = 12

/**
 * A table's name: what people call it, then what tells it from others that are called so, as classes of one name in two modules are. The
 * same in every process, so that nobody has to look it up.
 */
export function tableName(label: string, identity: string): string {
  const word = label.replace(/\W+/g, '_').slice(0, LABEL_MAX) || 'table'
  return `${word}_${createHash('sha256').update(identity).digest('hex').slice(0, DIGEST)}`
}

/** `shop/model#Order` is called Order. */
export const classLabel = (classId: string): string => classId.slice(classId.lastIndexOf('#') + 1)

/** The driver gives rows as objects with a property for each column; these it has already, and one of them cannot be written. */
const TAKEN = new Set([...Object.getOwnPropertyNames(Object.prototype), 'get', 'values', 'keys', 'forEach', '__columns'])

/** What a column may be called without looking strange to other clients. `~` begins the names of our own. */
export const isColumnName = (name: string): boolean => /^[A-Za-z_]\w{0,47}$/.test(name) && !TAKEN.has(name)
