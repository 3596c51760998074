import { INOUT, StorageObject, task } from 'insitu'

export class Count extends StorageObject {
  n = 0
}

/** A task whose only effect is one small change of an object. */
export const addOne = task(
  (count: Count) => {
    count.n++
  },
  { args: [INOUT] },
)
