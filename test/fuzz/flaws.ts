/** Readers with a flaw each, which the fuzzer has to find: a fuzzer that finds nothing anywhere proves nothing. */
import { CorruptError } from '../../src/errors.js'
import type { Sample, Target } from './targets.js'

const bytes = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])
const refuse = (): never => {
  throw new CorruptError('Damaged bytes.')
}
const sample = (flaw: (bytes: Uint8Array) => unknown, more: Partial<Sample> = {}): Target => {
  const read = (given: Uint8Array): unknown => (Buffer.compare(given, bytes) === 0 ? 'sound' : flaw(given))
  return () => ({ bytes, isSealed: false, read, ...more })
}

const kept: unknown[] = []

export const FLAWS: Readonly<Record<string, Target>> = {
  'throws an error without a type': sample((given) =>
    given[3] === 4 ? refuse() : (undefined as unknown as { no: { such: unknown } }).no.such,
  ),
  'takes a changed record for sound': sample((given) => (given[7] === 8 ? refuse() : 'sound'), { isSealed: true }),
  'takes a wrong value for right': sample((given) => (given.length === 5 ? 'wrong' : refuse()), {
    isRight: (_, found) => found === 'sound',
  }),
  'changes everybody’s prototype': sample((given) => {
    if (given.length < 3) Object.defineProperty(Object.prototype, `polluted${given.length}`, { value: 1, configurable: true })
    return refuse()
  }),
  'gives an object a prototype out of the bytes': sample(() => ({ inner: [Object.create({ isAdmin: true })] })),
  'takes memory for a length that is only claimed': sample((given) => {
    if (given.length === 4) kept.push(new Uint8Array(200 * 1024 * 1024))
    return refuse()
  }),
  'reads for too long': sample((given) => {
    const before = process.cpuUsage()
    while (given.length === 2 && process.cpuUsage(before).user < 1_100_000);
    return refuse()
  }),
  'never ends': sample((given) => {
    while (given.length === 6);
    return refuse()
  }),
  'kills its process': sample((given) => {
    if (given.length === 6) process.kill(process.pid, 'SIGKILL')
    return refuse()
  }),
}
