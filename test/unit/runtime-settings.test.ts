import { expect } from 'chai'
import { placementIsOff, runtimeIsOff, workerHeapMb, workersPerHost, workersWanted } from '../../runtime/runtime-config.js'

/** What a setting gives, or how it is refused. */
function read(name: string, value: string, what: () => unknown): unknown {
  const before = process.env[name]
  process.env[name] = value
  try {
    return what()
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return `${code}: ${message}`
  } finally {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  }
}

describe('settings of the environment', () => {
  it('are on or off, on where nothing is said, and nothing else', () => {
    for (const [name, what] of [
      ['INSITU_RUNTIME', runtimeIsOff],
      ['INSITU_PLACEMENT', placementIsOff],
    ] as const) {
      expect(['off', 'on', ''].map((value) => read(name, value, what))).to.deep.equal([true, false, false])
      for (const value of ['OFF', 'false', '0', 'banana'])
        expect(read(name, value, what)).to.equal(`ERR_SETTING: ${name} is on or off, not ${value}`)
    }
  })

  it('are whole numbers from 1 where they count', () => {
    expect(['1', '12'].map((value) => read('INSITU_WORKERS', value, workersWanted))).to.deep.equal([1, 12])
    expect(read('INSITU_WORKERS', '', workersPerHost)).to.equal(1)
    for (const value of ['0', '-1', '1.5', 'abc', 'Infinity'])
      for (const what of [workersWanted, workersPerHost])
        expect(read('INSITU_WORKERS', value, what)).to.equal(`ERR_SETTING: INSITU_WORKERS is a whole number from 1, not ${value}`)
  })

  it('leave a worker no less memory than it needs to say that it has too little', () => {
    expect(['4', ''].map((value) => read('INSITU_WORKER_HEAP_MB', value, workerHeapMb))).to.deep.equal([4, undefined])
    const refused = 'ERR_SETTING: INSITU_WORKER_HEAP_MB is a whole number from 4, not 3'
    expect(read('INSITU_WORKER_HEAP_MB', '3', workerHeapMb)).to.equal(refused)
  })
})
