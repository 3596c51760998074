import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../tools/test-files.js'

/** Tests that need servers on a machine that has none, and no way to get one: nothing is found but Node. */
function withoutServers(file: string, env: NodeJS.ProcessEnv): { readonly status: number | null; readonly said: string } {
  const folder = mkdtempSync(join(tmpdir(), 'insitu-no-server-'))
  try {
    for (const [name, path] of [
      ['node', process.execPath],
      ['sh', '/bin/sh'],
    ] as const)
      symlinkSync(path, join(folder, name))
    const { CI: _, CASSANDRA_CONTACT_POINTS: __, ...rest } = process.env
    const mocha = join(root, 'node_modules/mocha/bin/mocha.js')
    const args = [mocha, '--reporter', join(root, 'dist/test/tools/reporter.js'), join(root, `dist/test/${file}.test.js`)]
    const done = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env: { ...rest, ...env, PATH: folder } })
    return { status: done.status, said: done.stdout + done.stderr }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe('tests without a server', function () {
  this.timeout(60_000)

  it('are told as not run, with the reason', () => {
    const { status, said } = withoutServers('redis/aggregates', {})
    assert.equal(status, 0, said)
    assert.match(said, /not run: (there is no redis-server|redis-server cannot be installed)/)
    assert.match(said, /0 passed, 0 failed, 4 skipped/)
  })

  it('have failed on a build server', () => {
    const { status, said } = withoutServers('redis/aggregates', { CI: 'true' })
    assert.notEqual(status, 0)
    assert.match(said, /CI=true, and these tests cannot run: (there is no redis-server|redis-server cannot be installed)/)
    assert.match(said, /0 passed, 1 failed/)
  })

  const NO_JDK = 'there is no JDK 17, which Cassandra 5 needs; on Debian: apt-get install openjdk-17-jre-headless'
  for (const [file, skipped] of [
    ['cassandra/spec', /0 passed, 0 failed, [1-9]\d* skipped/],
    ['cassandra/ring.long', /0 passed, 0 failed, 8 skipped/],
  ] as const)
    it(`of Cassandra (${file}) are told as not run with the reason, and have failed on a build server`, () => {
      const plain = withoutServers(file, {})
      assert.equal(plain.status, 0, plain.said)
      assert.ok(plain.said.includes(`not run: ${NO_JDK}`), plain.said)
      assert.match(plain.said, skipped)
      const built = withoutServers(file, { CI: 'true' })
      assert.notEqual(built.status, 0)
      assert.ok(built.said.includes(`CI=true, and these tests cannot run: ${NO_JDK}`), built.said)
      assert.match(built.said, /0 passed, [1-9]\d* failed/)
    })
})
