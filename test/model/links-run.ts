/** `npm run model-links -- WHERE [--seeds N] [--seed S] [--actions N] [--path P]`: random programs on two stores that refer to each other. */
import { atLength, OPTIONS_USAGE } from './at-length.js'
import { checkLinks, PAIRS } from './links-check.js'

const USAGE = `usage: npm run model-links -- WHERE [--seeds N] [--seed S] [--actions N] [--path P]

Runs random programs on the dicts of two stores, whose rows refer to objects of both, and compares all that is seen with a model.
Exit code 1 if they differ. WHERE is one of ${Object.keys(PAIRS).join(', ')}: servers are then started, and ended.
${OPTIONS_USAGE}`

await atLength(USAGE, (name) => PAIRS[name ?? ''], checkLinks)
