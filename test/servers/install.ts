import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'

const INSTALL_MS = 180_000
/** Asked by Debian's packages whether they may start what they bring. */
const POLICY = '/usr/sbin/policy-rc.d'

/** Why a program is missing and cannot be had; `undefined` when it is there, now or before. `probe`: a command that fails without it. */
export function installed(program: string, packages: readonly string[], probe = `command -v ${program}`): string | undefined {
  if (isThere(probe)) return undefined
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get'))
    return `there is no ${program}; on Debian: apt-get install ${packages.join(' ')}`
  const why = withoutServices(() => apt(['install', '-y', '--no-install-recommends', ...packages]) ?? undefined)
  return isThere(probe) ? undefined : `${program} cannot be installed: ${why}`
}

const isThere = (probe: string): boolean => spawnSync('sh', ['-c', probe], { stdio: 'ignore' }).status === 0

/** With fresh lists if the old ones do not do. */
function apt(args: readonly string[]): string | undefined {
  const run = (all: readonly string[]): { readonly ok: boolean; readonly why: string } => {
    const done = spawnSync('apt-get', all, {
      encoding: 'utf8',
      timeout: INSTALL_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
    return { ok: done.status === 0, why: (done.stderr ?? '').trim().split('\n').at(-1) ?? '' }
  }
  if (run(args).ok) return undefined
  run(['update'])
  const second = run(args)
  return second.ok ? undefined : second.why
}

/** The tests start servers of their own, on ports and in folders of their own; the machine gets no service from them. */
function withoutServices<T>(install: () => T): T {
  if (existsSync(POLICY)) return install()
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return install()
  } finally {
    rmSync(POLICY, { force: true })
  }
}
