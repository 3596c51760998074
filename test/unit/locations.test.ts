import { once } from 'node:events'
import { expect } from 'chai'
import { Locations } from '../../runtime/driver/locations.js'
import type { Submissions } from '../../runtime/driver/submissions.js'
import type { Piece, Places } from '../../src/backend.js'
import type { Host } from '../../src/ids.js'

const [A, B, NOWHERE] = ['a', 'b', 'nowhere'] as Host[]

describe('locations of what tasks use', () => {
  const told: (readonly number[])[] = []
  const submissions: Pick<Submissions, 'locate'> = { locate: (...location) => void told.push(location) }
  const locations = new Locations(submissions as Submissions, 2)
  const at = (host: Host, copies: readonly Host[] = []): Parameters<Locations['hostOf']>[1] => {
    const places = {
      hosts: [A!, B!],
      hostOf: () => host,
      hostOfPiece: () => host,
      sizeOf: () => 8,
      copiesOf: () => copies,
    }
    return { store: { backend: { url: 'test:', places: places as Partial<Places> as Places } } }
  }

  it('on hosts that the store does not have are ignored with a warning, once for each', async () => {
    const warned = once(process, 'warning')
    locations.tell(1, 'id', at(NOWHERE!, [B!]), false)
    locations.tellPiece(2, {} as Piece, at(NOWHERE!))
    expect(locations.hostOf('id', at(NOWHERE!))).to.equal(undefined)
    expect(told).to.deep.equal([[1, 1, 8]])
    const [{ name, message }] = (await warned) as [Error]
    expect([name, message]).to.deep.equal(['InsituWarning', 'test: names a host nowhere, which is none of a, b: nothing is placed by that'])
  })
})
