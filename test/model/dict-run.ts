/** `npm run model-dicts -- WHERE [--seeds N] [--seed S] [--actions N] [--path P]`: random programs on dicts, at length. */
import { subjectAt } from '../conformance/subjects.js'
import { atLength, OPTIONS_USAGE } from './at-length.js'
import { checkDicts } from './dict-check.js'
import { PLACES, type Place } from './dict-places.js'

const USAGE = `usage: npm run model-dicts -- WHERE [--seeds N] [--seed S] [--actions N] [--path P]

Runs random programs on dicts, on data of its own, and compares all that is seen with a model. Exit code 1 if they differ.
WHERE is a url, or one of ${Object.keys(PLACES).join(', ')}: a server is then started, and ended.
${OPTIONS_USAGE}`

await atLength(
  USAGE,
  (name) => name,
  async (where, options) => {
    const place: Place = await (PLACES[where]?.() ?? { factory: subjectAt(where), stop: async () => {} })
    try {
      await checkDicts(place.factory, options)
    } finally {
      await place.stop()
    }
  },
)
