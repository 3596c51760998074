/** Which host an id belongs to: its last byte, modulo the number of hosts. It stays a uuid v7, and whatever is an id has a host. */
import { ValidationError } from '../../src/errors.js'
import { type Host, type Id, newId } from '../../src/ids.js'

/** More would leave hosts with too few of a byte's values, and one machine has no use for them. */
export const HOSTS_MAX = 64

export const hostNames = (count: number): readonly Host[] => Array.from({ length: count }, (_, i) => `host-${i + 1}` as Host)

export const hostIndexOf = (id: string, count: number): number => Number.parseInt(id.slice(-2), 16) % count

/** A fresh id that belongs to a host. */
export function newIdAt(host: number, count: number): Id {
  const id = newId()
  const byte = Number.parseInt(id.slice(-2), 16)
  const moved = byte - (byte % count) + host
  return (id.slice(0, -2) + (moved > 255 ? moved - count : moved).toString(16).padStart(2, '0')) as Id
}

/** @throws ValidationError */
export function checkHosts(count: number): number {
  if (Number.isInteger(count) && count >= 1 && count <= HOSTS_MAX) return count
  throw new ValidationError(`the number of hosts is a whole number from 1 to ${HOSTS_MAX}, not ${count}`, {
    code: 'ERR_HOSTS',
    hosts: count,
  })
}
