import { aliases } from './aliases.js'
import { badInput } from './bad-input.js'
import { barredGroups } from './barred-groups.js'
import type { Case } from './case.js'
import { childCases } from './children.js'
import { claimedNames } from './claimed-names.js'
import { concurrency } from './concurrency.js'
import { contractCorners } from './contract-corners.js'
import { contractObjects } from './contract-objects.js'
import { contractRows } from './contract-rows.js'
import { dict } from './dict.js'
import { dictCatalogue } from './dict-catalogue.js'
import { edges } from './edges.js'
import { gainedColumns } from './gained-columns.js'
import { goesOn } from './goes-on.js'
import { heldObjects } from './held-objects.js'
import { lateDicts } from './late-dicts.js'
import { namesAtOnce } from './names-at-once.js'
import { objects } from './objects.js'
import { reach } from './reach.js'
import { rowChecks } from './row-checks.js'
import { rowIntents } from './row-intents.js'
import { runsAgain } from './runs-again.js'
import { sharedIntents } from './shared-intents.js'
import { storageInterface } from './storage-interface.js'
import { streamCornerCases } from './stream-corners.js'
import { streamCases } from './streams.js'
import { taskCases } from './tasks.js'
import { unitCorners } from './unit-corners.js'
import { unitInstances } from './unit-instances.js'
import { units } from './units.js'
import { values } from './values.js'
import { versions } from './versions.js'
import { writtenParts } from './written-parts.js'

/** Every case, the bare backend first: what stands above cannot hold where that does not. */
export const conformanceCases: readonly Case[] = [
  ...contractObjects,
  ...contractRows,
  ...contractCorners,
  ...rowIntents,
  ...sharedIntents,
  ...rowChecks,
  ...barredGroups,
  ...objects,
  ...reach,
  ...values,
  ...versions,
  ...units,
  ...aliases,
  ...namesAtOnce,
  ...concurrency,
  ...unitCorners,
  ...unitInstances,
  ...runsAgain,
  ...goesOn,
  ...dict,
  ...dictCatalogue,
  ...gainedColumns,
  ...lateDicts,
  ...taskCases,
  ...childCases,
  ...claimedNames,
  ...heldObjects,
  ...writtenParts,
  ...streamCases,
  ...streamCornerCases,
  ...storageInterface,
  ...badInput,
  ...edges,
]
