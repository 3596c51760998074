import { checkOnServer, SERVER_TEST_MS } from '../model/objects-on-server.js'
import { siteFor, urlOf } from './kit.js'

describe('cassandra: random programs of objects', function () {
  this.timeout(SERVER_TEST_MS)
  let url = ''
  before(async function () {
    url = urlOf(await siteFor(this), 'any')
  })

  it('see what their model sees', () => checkOnServer(url, { isSettledBetween: true }))
})
