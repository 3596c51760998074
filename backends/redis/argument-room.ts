/**
 * What a server takes as one argument: who sends more is cut off, as if the network had failed, and could not tell that from an unknown
 * outcome. So it is looked at before anything is sent.
 */
import type { Capabilities } from '../../src/backend.js'
import { GroupTooLargeError, ValidationError } from '../../src/errors.js'

/** The server's setting. */
export const BULK_SETTING = 'proto-max-bulk-len'
const GROUP_BYTES_MAX = 64 * 1024 * 1024
/** What a group can come to in its text form at most: beyond it a setting bounds nothing. */
const UNBOUNDED_BYTES = 512 * 1024 * 1024
/** A code unit of a text takes this at most. */
const UNIT_BYTES_MAX = 3

export class ArgumentRoom {
  #bytesMax = Number.POSITIVE_INFINITY

  learn(servers: readonly { readonly bulkBytesMax: number | undefined }[]): void {
    const least = Math.min(...servers.map(({ bulkBytesMax = UNBOUNDED_BYTES }) => bulkBytesMax))
    this.#bytesMax = least < UNBOUNDED_BYTES ? least : Number.POSITIVE_INFINITY
  }

  /** Bytes of one argument; infinite when no group can come to more. */
  get bytesMax(): number {
    return this.#bytesMax
  }

  /** What the core refuses beyond. */
  get limits(): Pick<Capabilities, 'groupBytesMax' | 'cellBytesMax' | 'rowBytesMax'> {
    return {
      groupBytesMax: GROUP_BYTES_MAX,
      cellBytesMax: Math.min(GROUP_BYTES_MAX, this.#bytesMax),
      // What the text of a row adds to its values must fit as well, since it may be written when the unit is decided already.
      ...(this.#bytesMax < 2 * GROUP_BYTES_MAX && { rowBytesMax: Math.floor(this.#bytesMax / 2) }),
    }
  }

  /** @throws ValidationError `ERR_CELL_TOO_LARGE` */
  require(value: string | Buffer, nameOf: () => string): void {
    const bytes = this.#bytesBeyond(value)
    if (bytes !== undefined) throw cellTooLarge(`${nameOf()} takes ${bytes} bytes, more`, this.#bytesMax, bytes)
  }

  /** What a group is sent as. @throws GroupTooLargeError */
  requireGroup(listBytes: number, large: readonly (string | Buffer | number)[]): void {
    let most = listBytes > this.#bytesMax ? listBytes : 0
    for (const one of large) if (typeof one !== 'number') most = Math.max(most, this.#bytesBeyond(one) ?? 0)
    if (most === 0) return
    throw new GroupTooLargeError(
      `a unit of work comes to ${most} bytes in one argument, more than the server takes (${BULK_SETTING} ${this.#bytesMax}): save in smaller steps, or raise it: ${FIX}`,
      { bytes: most, bytesMax: this.#bytesMax },
    )
  }

  #bytesBeyond(value: string | Buffer): number | undefined {
    if (value.length * UNIT_BYTES_MAX <= this.#bytesMax) return undefined
    const bytes = Buffer.byteLength(value)
    return bytes > this.#bytesMax ? bytes : undefined
  }
}

const FIX = `CONFIG SET ${BULK_SETTING} 512mb`

/** `what` ends in what is compared; without `bytesMax` the server has not said it. */
export const cellTooLarge = (what: string, bytesMax?: number, bytes?: number): ValidationError =>
  new ValidationError(
    `${what} than the server takes in one argument (${BULK_SETTING}${bytesMax === undefined ? '' : ` ${bytesMax}`}): raise it (${FIX}), or split the value`,
    { code: 'ERR_CELL_TOO_LARGE', ...(bytesMax !== undefined && { bytesMax }), ...(bytes !== undefined && { bytes }) },
  )
