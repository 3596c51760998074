import { expect } from 'chai'
import { assertPlaceable, type NamedOffer, type TaskNeeds } from '../../runtime/tasks/needs.js'
import { CannotPlaceError } from '../../src/errors.js'

const offer = (name: string, slots: number, memoryMb: number, ...labels: readonly string[]): NamedOffer => ({
  name,
  slots,
  memoryMb,
  labels: new Set(labels),
})
const OFFERS = [offer('small', 1, 100, 'disk'), offer('middle', 4, 1000), offer('wide', 8, 100, 'disk', 'lab')]

const refusal = (needs: TaskNeeds): CannotPlaceError => {
  try {
    assertPlaceable('t', needs, OFFERS)
  } catch (error) {
    return error as CannotPlaceError
  }
  throw new Error('it was not refused')
}

describe('a task that no host can take', () => {
  it('is refused with what the host lacks that comes nearest, of units, memory and labels', () => {
    for (const [needs, best, why] of [
      [{ units: 10 }, 'wide', 'needs 10 computing units and there are 8'],
      [{ memoryMb: 2000 }, 'middle', 'needs 2000 MB of memory and there are 1000'],
      [{ labels: ['disk', 'lab', 'gpu'] }, 'wide', "needs the label 'gpu' and there are 'disk', 'lab'"],
      [{ units: 4, memoryMb: 200, labels: ['disk'] }, 'wide', 'needs 200 MB of memory and there are 100'],
    ] as const) {
      const error = refusal(needs)
      expect(error).to.be.instanceOf(CannotPlaceError)
      expect(error.message).to.include(`task t ${why} on ${best}, which comes nearest of 3`)
      expect(error).to.have.nested.property('best.host', best)
    }
  })

  it('is not refused where one of them can', () => {
    for (const needs of [{}, { units: 8, labels: ['lab'] }, { units: 4, memoryMb: 1000 }]) assertPlaceable('t', needs, OFFERS)
    assertPlaceable('t', { units: 99 }, [])
  })
})
