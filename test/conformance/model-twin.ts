/** A class of the same name as one in model.ts, in another module: another class. */
import { StorageObject } from '../../runtime/index.js'

export class Item extends StorageObject {
  title = 'twin'
}
