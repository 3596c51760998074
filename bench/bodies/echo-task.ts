import { task } from 'insitu'
import { echo } from './echo.js'

export const echoTask = task(echo)
