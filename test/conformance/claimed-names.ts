/** Names that tasks claim, and that somebody else takes between the claim and the task's commit. */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { AliasTakenError } from '../../runtime/index.js'
import { type Case, type CaseContext, law } from './case.js'
import { claimSlowly, type HowToClaim, takenMarker } from './claimed-names-tasks.js'
import { refused } from './expect.js'
import { withMarker } from './is-first.js'
import { Item } from './model.js'

/** What the task gives whose name another program takes once the task has claimed it. */
async function overtaken(ctx: CaseContext, alias: string, ifExists: HowToClaim, isCaught: boolean): Promise<string> {
  return withMarker(async (marker) => {
    const claim = claimSlowly(alias, ifExists, isCaught, marker)
    claim.catch(() => {}) // told where it is awaited
    while (!existsSync(marker)) await delay(5)
    await ctx.other(() => Object.assign(new Item(), { text: 'theirs' }).makePersistent(alias, { ifExists: 'replace' }))
    writeFileSync(takenMarker(marker), '')
    return claim
  })
}

const textOf = (ctx: CaseContext, alias: string): Promise<string> => ctx.other(async () => (await Item.getByAlias(alias)).text)

export const claimedNames: readonly Case[] = [
  law('I520', 'a task that opens a name which somebody takes before it commits opens what stands there then', async (ctx) => {
    const alias = ctx.alias('opened')
    assert.equal(await overtaken(ctx, alias, 'open', false), 'theirs')
    assert.equal(await textOf(ctx, alias), 'theirs')
  }),

  law('I521', 'a task that replaces what a name stands for does so too where somebody moves the name before it commits', async (ctx) => {
    const alias = ctx.alias('replaced')
    await ctx.other(() => Object.assign(new Item(), { text: 'old' }).makePersistent(alias))
    assert.equal(await overtaken(ctx, alias, 'replace', false), 'own')
    assert.equal(await textOf(ctx, alias), 'own')
  }),

  law('I522', 'a task whose name somebody takes before it commits is told so in its body, which may make do without', async (ctx) => {
    const alias = ctx.alias('taken')
    assert.equal(await overtaken(ctx, alias, 'error', true), 'ERR_ALIAS_TAKEN')
    const error = await refused(AliasTakenError, () => overtaken(ctx, ctx.alias('taken-too'), 'error', false))
    assert.match(error.message, /choose another/)
    assert.equal(error.cause, undefined)
  }),
]
