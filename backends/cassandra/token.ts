/** Where a key lies on the ring: the token of its partition, computed here as the servers do. */
import type { Cell, ColumnType, Key, Ref } from '../../src/backend.js'
import { dayOf, nanosOf } from '../../src/dict/calendar.js'
import { InsituError } from '../../src/errors.js'
import { uuidBytes } from '../../src/ids.js'
import type { CassandraLink } from './cassandra-link.js'
import { isCollection } from './column-types.js'
import type { DictLayout } from './dict-layout.js'
import { keyText } from './places.js'

export const TOKEN_MIN = -(2n ** 63n)
export const TOKEN_MAX = 2n ** 63n - 1n

/** The driver's tokens are of a class of its own. */
interface LongLike {
  getHighBitsUnsigned(): number
  getLowBitsUnsigned(): number
}

/** Eight bytes whose order is that of tokens. */
export function tokenBytes(link: CassandraLink, layout: DictLayout, key: Key): Buffer {
  const token = link.client.metadata.newToken(partitionKey(layout, key)).getValue() as LongLike
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeUInt32BE((token.getHighBitsUnsigned() ^ 0x80000000) >>> 0, 0)
  bytes.writeUInt32BE(token.getLowBitsUnsigned(), 4)
  return bytes
}

/** The partition of a row, as the ring takes it. */
export function partitionKey({ table, keys, place }: DictLayout, key: Key): Buffer {
  if (place !== undefined) return Buffer.from(uuidBytes(place))
  const parts = keys.slice(0, table.partition).map(({ type }, i) => partitionBytes(type, key[i]!))
  return parts.length === 1 ? parts[0]! : composite(parts)
}

/** Several columns: each behind its length, and a zero. */
function composite(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.allocUnsafe(2)
      length.writeUInt16BE(part.length)
      return [length, part, Buffer.of(0)]
    }),
  )
}

/** The bytes of a partition column, as CQL writes them. */
function partitionBytes(type: ColumnType, cell: Cell): Buffer {
  if (typeof type !== 'string') return tupleBytes(type, cell)
  switch (type) {
    case 'text':
      return Buffer.from(keyText(cell as string))
    case 'blob':
      return (cell as Uint8Array).every((byte) => byte === 0)
        ? Buffer.alloc((cell as Uint8Array).length + 1)
        : Buffer.from(cell as Uint8Array)
    case 'bool':
      return Buffer.of(cell === true ? 1 : 0)
    case 'i32':
      return numberBytes(4, (view) => view.setInt32(0, cell as number))
    case 'i64':
      return numberBytes(8, (view) => view.setBigInt64(0, cell as bigint))
    case 'f32':
      return numberBytes(4, (view) => view.setFloat32(0, cell as number))
    case 'f64':
      return numberBytes(8, (view) => view.setFloat64(0, cell as number))
    case 'decimal':
      return decimalBytes(cell as string)
    case 'uuid':
      return Buffer.from(uuidBytes(cell as string))
    case 'date':
      return numberBytes(4, (view) => view.setUint32(0, 2 ** 31 + dayOf(cell as string)!))
    case 'time':
      return numberBytes(8, (view) => view.setBigInt64(0, BigInt(nanosOf(cell as string)!)))
    case 'timestamp':
      return numberBytes(8, (view) => view.setBigInt64(0, BigInt((cell as Date).getTime())))
    case 'ref':
      return refBytes(cell as Ref)
    case 'counter':
      throw new InsituError('a counter is no key', { code: 'ERR_INTERNAL' })
    default:
      return type satisfies never
  }
}

function numberBytes(length: number, write: (view: DataView) => void): Buffer {
  const bytes = Buffer.alloc(length)
  write(new DataView(bytes.buffer, bytes.byteOffset, length))
  return bytes
}

const refBytes = ({ id, classId, store }: Ref): Buffer =>
  joined([Buffer.from(uuidBytes(id)), Buffer.from(store === undefined ? classId : `${classId} ${store}`)])

function tupleBytes(type: Exclude<ColumnType, string>, cell: Cell): Buffer {
  if (!('tupleOf' in type) || type.tupleOf.some(isCollection)) throw new InsituError('a collection is no key', { code: 'ERR_INTERNAL' })
  return joined(type.tupleOf.map((of, i) => valueBytes(of, (cell as readonly Cell[])[i]!)))
}

/** Inside a tuple a text is as it is: only a whole key cannot be empty. */
const valueBytes = (type: ColumnType, cell: Cell): Buffer => {
  if (type === 'text') return Buffer.from(cell as string)
  return type === 'blob' ? Buffer.from(cell as Uint8Array) : partitionBytes(type, cell)
}

/** Each behind its length. */
function joined(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts.flatMap((part) => [numberBytes(4, (view) => view.setInt32(0, part.length)), part]))
}

/** The scale, then the digits as a number of as few bytes as hold it with its sign. */
function decimalBytes(text: string): Buffer {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? []
  const unscaled = BigInt(`${sign}${whole}${fraction}`)
  let length = 1
  while (BigInt.asIntN(length * 8, unscaled) !== unscaled) length++
  const digits = BigInt.asUintN(length * 8, unscaled)
    .toString(16)
    .padStart(length * 2, '0')
  return Buffer.concat([numberBytes(4, (view) => view.setInt32(0, fraction.length)), Buffer.from(digits, 'hex')])
}
