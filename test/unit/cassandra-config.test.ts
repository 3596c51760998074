/** What a url of Cassandra says, and what the ring then promises. What needs a server is in test/cassandra/open.test.ts. */
import { expect } from 'chai'
import { configOf } from '../../backends/cassandra/cassandra-config.js'
import { CassandraLink } from '../../backends/cassandra/cassandra-link.js'
import { copiesWritten } from '../../backends/cassandra/server-facts.js'
import { UnsupportedError } from '../../src/errors.js'

const refusal = (url: string): string => {
  try {
    configOf(url)
  } catch (error) {
    expect(error).to.be.an.instanceOf(UnsupportedError)
    return (error as Error).message
  }
  throw new Error(`${url} was taken`)
}

describe('cassandra: urls', () => {
  it('TLS is on or off, and by any of its files on: a word that is neither does not leave the line open', () => {
    const isTls = (query: string): boolean => configOf(`cassandra://h/shop?${query}`).tls !== undefined
    expect(['', 'tls=false', 'tls=true', 'tls=TRUE', 'caFile=/a.pem', 'tls=true&servername=h'].map(isTls)).to.deep.equal([
      false,
      false,
      true,
      true,
      true,
      true,
    ])
    for (const word of ['yes', '1', 'on', '']) expect(refusal(`cassandra://h/shop?tls=${word}`)).to.match(/tls is one of true, false/)
    expect(refusal('cassandra://h/shop?tls=false&caFile=/a.pem')).to.match(/tls is false, and caFile given/)
  })

  it('what is said twice is refused, since nobody can tell which was meant', () => {
    expect(refusal('cassandra://h/shop?consistency=all&consistency=one')).to.match(/says consistency twice/)
  })

  it('ports that no server can have, and broken percent signs, are told as what they are', () => {
    for (const port of [0, 65_536, 99_999_999]) expect(refusal(`cassandra://h:${port}/shop`)).to.contain(`from 1 to 65535, not ${port}`)
    for (const url of ['cassandra://a%zz:b@h/shop', 'cassandra://a:b%@h/shop', 'cassandra://h/%e0'])
      expect(refusal(url)).to.match(/%25/).and.not.match(/zz|b%/)
  })

  it('a certificate that cannot be read is named with its option', async () => {
    for (const option of ['caFile', 'certFile', 'keyFile']) {
      const link = new CassandraLink(configOf(`cassandra://127.0.0.1:1/shop?dc=a&${option}=/nowhere/x.pem`))
      const error: unknown = await link.open().catch((thrown: unknown) => thrown)
      expect(error).to.be.an.instanceOf(UnsupportedError)
      expect((error as Error).message).to.contain(`${option} is /nowhere/x.pem, which cannot be read (ENOENT)`)
    }
  })
})

describe('cassandra: copies that a write waits for', () => {
  const two = new Map([
    ['east', 3],
    ['west', 5],
  ])
  const copies = (factors: ReadonlyMap<string, number>, near: string): readonly number[] =>
    (['one', 'localOne', 'two', 'three', 'quorum', 'localQuorum', 'eachQuorum', 'all'] as const).map((name) =>
      copiesWritten(name, factors, near),
    )

  it('those of other data centres count only where they are waited for', () => {
    expect(copies(two, 'east')).to.deep.equal([1, 1, 2, 3, 5, 2, 5, 8])
    expect(copies(two, 'west')).to.deep.equal([1, 1, 2, 3, 5, 3, 5, 8])
  })

  it('of one data centre, and of a keyspace that tells none apart', () => {
    for (const name of ['east', 'replication_factor']) expect(copies(new Map([[name, 3]]), 'east')).to.deep.equal([1, 1, 2, 3, 2, 2, 2, 3])
    expect(copies(new Map([['east', 1]]), 'east')).to.deep.equal([1, 1, 1, 1, 1, 1, 1, 1])
  })
})
