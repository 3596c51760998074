import { StorageDict, StorageObject, t } from 'insitu'

/** A piece of a text, cut between words. */
export class Block extends StorageObject {
  text = ''
}

/** A dataset: references to its pieces, each an object of its own. */
export class Words extends StorageObject {
  title = ''
  blocks: Block[] = []
}

/** The counts of one dataset. */
export class Result extends StorageObject {
  counts = new StorageDict({ word: t.text }, { n: t.i64 })
  /** Words too long to be a row's key: rare in texts, common in minified code. */
  long = new Map<string, bigint>()
}
