import { expect } from 'chai'
import { ClusterPlaces } from '../../backends/redis/cluster-places.js'
import { partitionOfId } from '../../backends/redis/redis-keys.js'
import { slotOf } from '../../backends/redis/slot.js'
import { type Host, type Id, newId } from '../../src/ids.js'

const MASTERS = ['c:3', 'a:1', 'b:2']
const masterOf = (slot: number): string => MASTERS[slot % 3]!

describe('redis: places of a Cluster', () => {
  it('the host of an id owns its slot, and fresh ids lie where they are asked for', () => {
    const places = new ClusterPlaces((slot) => [masterOf(slot), 'copy:9'])
    expect(places.hosts).to.deep.equal(['a:1', 'b:2', 'c:3'])
    for (let n = 0; n < 50; n++) {
      const id = newId()
      expect(places.hostOf(id)).to.equal(masterOf(slotOf(partitionOfId(id))))
      expect(partitionOfId(places.idBeside(id))).to.equal(partitionOfId(id))
      expect(places.idBeside(id)).not.to.equal(id)
      for (const host of places.hosts) expect(places.hostOf(places.idAt(host))).to.equal(host)
    }
    expect(() => places.idAt('nobody' as Host))
      .to.throw(/no host nobody here, but a:1, b:2, c:3/)
      .with.property('code', 'ERR_UNKNOWN_HOST')
  })

  it('slots that moved are where they are now; after a failover a place keeps its name', () => {
    let owner = (slot: number): string | undefined => masterOf(slot)
    const places = new ClusterPlaces((slot) => {
      const now = owner(slot)
      return now === undefined ? undefined : [now]
    })
    const id = [...Array(100)].map(() => newId()).find((one) => places.hostOf(one) === 'a:1') as Id
    owner = () => 'b:2'
    expect(places.hostOf(id)).to.equal('b:2')
    owner = (slot) => (masterOf(slot) === 'a:1' ? 'replica-of-a:7' : masterOf(slot))
    expect(places.hostOf(id)).to.equal('a:1')
    owner = () => undefined // while the driver asks for the slots
    expect(places.hostOf(id)).to.equal('a:1')
  })
})
