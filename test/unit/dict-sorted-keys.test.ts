import { expect } from 'chai'
import fc from 'fast-check'
import { SortedKeys } from '../../src/dict/sorted-keys.js'

const key = (n: number): string => String(n).padStart(4, '0')

describe('sorted keys', () => {
  it('equal a sorted plain set, whatever was added, removed and looked at', () => {
    const step = fc.tuple(fc.constantFrom('add', 'addMany', 'delete', 'look'), fc.nat(2000), fc.nat(2000))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const keys = new SortedKeys()
        const model = new Set<string>()
        const add = (n: number): void => {
          if (!model.has(key(n))) keys.add(key(n))
          model.add(key(n))
        }
        const remove = (k: string): void => {
          model.delete(k)
          keys.delete(k)
        }
        for (const [what, a, b] of steps) {
          if (what === 'add') add(a)
          else if (what === 'addMany') for (let n = a; n < a + 700; n += 1 + (b % 5)) add(n)
          else if (what === 'delete') for (const k of [...model].slice(a % 50, (a % 50) + (b % 600))) remove(k)
          else {
            const [from, to] = [key(a), key(b)]
            const want = [...model].filter((k) => k >= from && k < to).sort()
            expect([...keys.between(from, to)]).to.deep.equal(want)
            expect([...keys.between(from, to, true)]).to.deep.equal(want.reverse())
            expect(keys.countBetween(from, to)).to.equal(want.length)
          }
        }
        expect([...keys.between('', '\uffff')]).to.deep.equal([...model].sort())
      }),
      { numRuns: 200 },
    )
  })
})
