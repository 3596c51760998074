import { expect } from 'chai'
import { StorageObject } from '../../src/objects/storage-object.js'
import { contentsOf } from '../../src/unit/contents.js'

class Holder extends StorageObject {
  n = 1
  list: unknown[] = [1]
  extra?: string
}

/** Runs `change`, and then gives `value` back what it held before. */
function changedAndBack(value: unknown, change: () => void): void {
  const steps = contentsOf(value, new Set())
  change()
  for (const step of [...steps].reverse()) step()
}

describe('the contents of values', () => {
  it('are given back to the values themselves, however deep', () => {
    const inner = { a: [1, { b: 2 }] as unknown[] }
    const [map, set, date, bytes] = [new Map<string, unknown>([['x', inner]]), new Set([1]), new Date(5), new Float64Array([1, 2])]
    const holes: unknown[] = [1]
    holes[2] = 3
    const all: unknown[] = [map, set, date, bytes, holes, Buffer.from('ab')]
    const before = structuredClone(all)
    changedAndBack(all, () => {
      inner.a.push(3)
      Object.assign(inner, { c: 1 })
      map.clear()
      set.add(2)
      date.setTime(9)
      bytes.fill(7)
      holes[1] = 'no hole'
      ;(all[5] as Buffer).fill(0)
      all.length = 2
    })
    expect(structuredClone(all)).to.deep.equal(before)
    expect(all[0]).to.equal(map)
    expect(map.get('x')).to.equal(inner)
    expect(1 in holes).to.equal(false)
  })

  it('of objects are their fields, those that came and those that went; cycles end, and what is frozen stays', () => {
    const holder = new Holder()
    const frozen = Object.freeze({ deep: [1] })
    holder.list.push(holder, frozen, Object.freeze([frozen]))
    const { list } = holder
    changedAndBack(holder, () => {
      holder.n = 2
      holder.extra = 'came'
      holder.list = []
      list.length = 0
      frozen.deep.push(2)
    })
    expect([holder.n, 'extra' in holder && holder.extra !== undefined]).to.deep.equal([1, false])
    expect(holder.list).to.equal(list)
    expect(list).to.deep.equal([1, holder, { deep: [1] }, [{ deep: [1] }]])
  })

  it('leave out what goes on by itself', () => {
    const signal = new AbortController().signal
    const value = { promise: Promise.resolve(1), signal, call: () => 1 }
    changedAndBack(value, () => Object.assign(value, { call: undefined }))
    expect(value.call()).to.equal(1)
    expect(contentsOf(signal, new Set())).to.deep.equal([])
  })
})
