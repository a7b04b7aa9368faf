import { describeHalf } from './webgpu.js'

describeHalf(1)
