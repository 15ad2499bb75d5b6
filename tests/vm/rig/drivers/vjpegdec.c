// SPDX-License-Identifier: GPL-2.0
/*
 * A stateful decoder of JPEG pictures that has the habits of the Raspberry Pi's (bcm2835-codec), for testing users of such
 * devices: multi-planar, /dev/video10, MJPG by that name only, heights in multiples of 16 with the picture's own in
 * G_SELECTION, lines padded to 32 bytes, SOURCE_CHANGE without a last buffer; it gives nothing for a picture with an APP0
 * segment, and a damaged one for a picture without Huffman tables. It decodes baseline pictures of 4:2:0 or 4:2:2
 * without restarts, and of each block of 8x8 only the mean. It is a converter, too, of YUYV.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/workqueue.h>
#include <media/v4l2-device.h>
#include <media/v4l2-event.h>
#include <media/v4l2-ioctl.h>
#include <media/v4l2-mem2mem.h>
#include <media/videobuf2-vmalloc.h>

#define NAME "vjpegdec"

static int video_nr = 10;
module_param(video_nr, int, 0444);
static unsigned int delay_ms;
module_param(delay_ms, uint, 0644);
MODULE_PARM_DESC(delay_ms, "time each picture takes");
static bool always_tell;
module_param(always_tell, bool, 0644);
MODULE_PARM_DESC(always_tell, "SOURCE_CHANGE for the first picture in any case");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("JPEG decoder for tests");

struct vjd_dev {
	struct v4l2_device v4l2_dev;
	struct video_device vfd;
	struct v4l2_m2m_dev *m2m;
	struct mutex lock;
};

struct vjd_queue {
	u32 fourcc, width, visible_height, height, stride, size, sequence;
};

struct vjd_ctx {
	struct v4l2_fh fh;
	struct vjd_dev *dev;
	struct vjd_queue src, dst;
	u32 colorspace, ycbcr_enc, quantization, xfer_func;
	/* The pictures are of another size, until the program starts CAPTURE again. */
	bool changed, told;
	struct work_struct work;
};

static struct vjd_ctx *to_ctx(struct file *file)
{
	return container_of(file->private_data, struct vjd_ctx, fh);
}

static struct vjd_queue *to_queue(struct vjd_ctx *ctx, u32 type)
{
	return V4L2_TYPE_IS_OUTPUT(type) ? &ctx->src : &ctx->dst;
}

/* Decoding (Rec. ITU-T T.81). */

struct table {
	u8 counts[17], values[256];
	bool set;
};

struct picture {
	unsigned int width, height, rows;	/* rows: of luma blocks in an MCU */
	bool app0;
	u8 quantization[4], uses[3], dc[3], ac[3];
	struct table tables[2][4];
	const u8 *at, *end;
	u32 bits, count;
};

static int get_bit(struct picture *p)
{
	if (!p->count) {
		u8 byte = p->at < p->end ? *p->at++ : 0;

		if (byte == 0xff) {
			if (p->at < p->end && *p->at == 0)
				p->at++;
			else
				return -1;
		}
		p->bits = byte;
		p->count = 8;
	}
	return p->bits >> --p->count & 1;
}

static int get_bits(struct picture *p, int n)
{
	int value = 0, bit;

	while (n--) {
		bit = get_bit(p);
		if (bit < 0)
			return 0;
		value = value << 1 | bit;
	}
	return value;
}

static int get_code(struct picture *p, const struct table *t)
{
	int code = 0, first = 0, index = 0, length, bit;

	for (length = 1; length <= 16; length++) {
		bit = get_bit(p);
		if (bit < 0)
			return -1;
		code |= bit;
		if (code - t->counts[length] < first)
			return t->values[index + code - first];
		index += t->counts[length];
		first = (first + t->counts[length]) << 1;
		code <<= 1;
	}
	return -1;
}

/* Up to the entropy-coded data. */
static int parse(struct picture *p, const u8 *at, const u8 *end)
{
	memset(p, 0, sizeof(*p));
	if (end - at < 4 || at[0] != 0xff || at[1] != 0xd8)
		return -EINVAL;
	at += 2;
	for (;;) {
		const u8 *s, *next;
		int i, n;

		while (end - at > 1 && at[0] == 0xff && at[1] == 0xff)
			at++;
		if (end - at < 4 || at[0] != 0xff)
			return -EINVAL;
		s = at + 4;
		next = at + 2 + (at[2] << 8 | at[3]);
		if (next > end || next < s)
			return -EINVAL;
		switch (at[1]) {
		case 0xe0:
			p->app0 = true;
			break;
		case 0xdb:
			for (; next - s >= 65; s += 65)
				p->quantization[s[0] & 3] = s[1];
			break;
		case 0xc4:
			while (next - s >= 17) {
				struct table *t = &p->tables[s[0] >> 4 & 1][s[0] & 3];

				for (n = 0, i = 1; i <= 16; i++)
					n += t->counts[i] = s[i];
				if (n > 256 || next - s < 17 + n)
					return -EINVAL;
				memcpy(t->values, s + 17, n);
				t->set = true;
				s += 17 + n;
			}
			break;
		case 0xc0:
			if (next - s < 15 || s[0] != 8 || s[5] != 3 || (s[7] != 0x22 && s[7] != 0x21) || s[10] != 0x11)
				return -EINVAL;
			p->height = s[1] << 8 | s[2];
			p->width = s[3] << 8 | s[4];
			p->rows = s[7] & 15;
			for (i = 0; i < 3; i++)
				p->uses[i] = s[8 + 3 * i] & 3;
			break;
		case 0xda:
			if (next - s < 10 || s[0] != 3 || !p->width || !p->height)
				return -EINVAL;
			for (i = 0; i < 3; i++) {
				p->dc[i] = s[2 + 2 * i] >> 4 & 3;
				p->ac[i] = s[2 + 2 * i] & 3;
			}
			p->at = next;
			p->end = end;
			return 0;
		}
		at = next;
	}
}

static int decode(struct picture *p, u8 *out, const struct vjd_queue *q)
{
	unsigned int mcu_w = 16, mcu_h = 8 * p->rows, x, y, i, j, c, b;
	u8 *chroma = out + q->stride * q->height;
	bool nv = q->fourcc == V4L2_PIX_FMT_NV12;
	int dc[3] = { 0 };

	for (y = 0; y < p->height; y += mcu_h)
		for (x = 0; x < p->width; x += mcu_w)
			for (b = 0; b < 2 * p->rows + 2; b++) {
				const struct table *dct, *act;
				int size, diff, level, k;

				c = b < 2 * p->rows ? 0 : b - 2 * p->rows + 1;
				dct = &p->tables[0][p->dc[c]];
				act = &p->tables[1][p->ac[c]];
				if (!dct->set || !act->set)
					return -EINVAL;
				size = get_code(p, dct);
				if (size < 0 || size > 11)
					return -EINVAL;
				diff = get_bits(p, size);
				if (size && diff < 1 << (size - 1))
					diff -= (1 << size) - 1;
				dc[c] += diff;
				for (k = 1; k < 64; k++) {
					int code = get_code(p, act);

					if (code < 0)
						return -EINVAL;
					if (!code)
						break;
					k += code >> 4;
					get_bits(p, code & 15);
				}
				level = clamp(128 + dc[c] * p->quantization[p->uses[c]] / 8, 0, 255);
				for (j = 0; j < 8; j++)
					for (i = 0; i < 8; i++) {
						unsigned int px, py;

						if (!c) {
							px = x + b % 2 * 8 + i;
							py = y + b / 2 * 8 + j;
							if (px < q->stride && py < q->height)
								out[py * q->stride + px] = level;
							continue;
						}
						px = x / 2 + i;
						py = p->rows == 2 ? y / 2 + j : (y + j) / 2;
						if (px >= q->stride / 2 || py >= q->height / 2)
							continue;
						if (nv)
							chroma[py * q->stride + 2 * px + c - 1] = level;
						else
							chroma[(c - 1) * q->stride / 2 * q->height / 2 +
							       py * (q->stride / 2) + px] = level;
					}
			}
	return 0;
}

static void convert(const u8 *in, const struct vjd_queue *from, u8 *out, const struct vjd_queue *to)
{
	unsigned int x, y, size = to->stride * to->height;
	bool nv = to->fourcc == V4L2_PIX_FMT_NV12;

	for (y = 0; y < from->height; y++, in += from->stride)
		for (x = 0; x < from->width; x++) {
			unsigned int at = y / 2 * to->stride;

			out[y * to->stride + x] = in[2 * x];
			if (x % 2 || y % 2)
				continue;
			if (nv) {
				out[size + at + x] = in[2 * x + 1];
				out[size + at + x + 1] = in[2 * x + 3];
			} else {
				out[size + at / 2 + x / 2] = in[2 * x + 1];
				out[size + size / 4 + at / 2 + x / 2] = in[2 * x + 3];
			}
		}
}

/* Formats. */

static void vjd_lay_out(struct vjd_queue *q, u32 stride)
{
	q->height = ALIGN(q->visible_height, 16);
	q->stride = ALIGN(max(stride, q->width), 32);
	q->size = q->stride * q->height * 3 / 2;
}

static int vjd_enum_cap(struct file *file, void *fh, struct v4l2_fmtdesc *f)
{
	static const u32 formats[] = { V4L2_PIX_FMT_YUV420, V4L2_PIX_FMT_NV12 };

	if (f->index >= ARRAY_SIZE(formats))
		return -EINVAL;
	f->pixelformat = formats[f->index];
	return 0;
}

static int vjd_enum_out(struct file *file, void *fh, struct v4l2_fmtdesc *f)
{
	if (f->index > 1)
		return -EINVAL;
	f->pixelformat = f->index ? V4L2_PIX_FMT_YUYV : V4L2_PIX_FMT_MJPEG;
	f->flags = f->index ? 0 : V4L2_FMT_FLAG_COMPRESSED;
	return 0;
}

static int vjd_g_fmt(struct file *file, void *fh, struct v4l2_format *f)
{
	struct vjd_ctx *ctx = to_ctx(file);
	struct vjd_queue *q = to_queue(ctx, f->type);
	struct v4l2_pix_format_mplane *pix = &f->fmt.pix_mp;

	pix->width = q->width;
	pix->height = q->height;
	pix->pixelformat = q->fourcc;
	pix->field = V4L2_FIELD_NONE;
	pix->num_planes = 1;
	pix->plane_fmt[0].sizeimage = q->size;
	pix->plane_fmt[0].bytesperline = q->stride;
	pix->colorspace = ctx->colorspace;
	pix->ycbcr_enc = ctx->ycbcr_enc;
	pix->quantization = ctx->quantization;
	pix->xfer_func = ctx->xfer_func;
	return 0;
}

static int vjd_s_fmt(struct file *file, void *fh, struct v4l2_format *f)
{
	struct vjd_ctx *ctx = to_ctx(file);
	struct vjd_queue *q = to_queue(ctx, f->type);
	struct v4l2_pix_format_mplane *pix = &f->fmt.pix_mp;
	u32 width = clamp(pix->width, 32u, 1920u), height = clamp(pix->height, 32u, 1920u);

	if (vb2_is_busy(v4l2_m2m_get_vq(ctx->fh.m2m_ctx, f->type)))
		return -EBUSY;
	if (V4L2_TYPE_IS_OUTPUT(f->type)) {
		q->height = height;
		if (pix->pixelformat == V4L2_PIX_FMT_YUYV) {
			q->fourcc = V4L2_PIX_FMT_YUYV;
			q->stride = ALIGN(max(pix->plane_fmt[0].bytesperline, 2 * width), 64);
			q->size = q->stride * height;
		} else {
			q->fourcc = V4L2_PIX_FMT_MJPEG;
			q->stride = 0;
			q->size = max(pix->plane_fmt[0].sizeimage, 512u * 1024);
		}
		ctx->dst.width = width;
		ctx->dst.visible_height = height;
		vjd_lay_out(&ctx->dst, 0);
		ctx->colorspace = pix->colorspace;
		ctx->ycbcr_enc = pix->ycbcr_enc;
		ctx->quantization = pix->quantization;
		ctx->xfer_func = pix->xfer_func;
		q->width = width;
	} else {
		q->fourcc = pix->pixelformat == V4L2_PIX_FMT_NV12 ? V4L2_PIX_FMT_NV12 : V4L2_PIX_FMT_YUV420;
		q->width = width;
		q->visible_height = height;
		vjd_lay_out(q, pix->plane_fmt[0].bytesperline);
	}
	return vjd_g_fmt(file, fh, f);
}

static int vjd_g_selection(struct file *file, void *fh, struct v4l2_selection *s)
{
	struct vjd_queue *q = &to_ctx(file)->dst;

	if (s->type != V4L2_BUF_TYPE_VIDEO_CAPTURE ||
	    (s->target != V4L2_SEL_TGT_COMPOSE && s->target != V4L2_SEL_TGT_COMPOSE_DEFAULT))
		return -EINVAL;
	s->r = (struct v4l2_rect){ 0, 0, q->width, q->visible_height };
	return 0;
}

static int vjd_querycap(struct file *file, void *fh, struct v4l2_capability *cap)
{
	strscpy(cap->driver, NAME, sizeof(cap->driver));
	strscpy(cap->card, NAME, sizeof(cap->card));
	return 0;
}

static int vjd_subscribe(struct v4l2_fh *fh, const struct v4l2_event_subscription *sub)
{
	if (sub->type != V4L2_EVENT_SOURCE_CHANGE)
		return -EINVAL;
	return v4l2_src_change_event_subscribe(fh, sub);
}

static const struct v4l2_ioctl_ops vjd_ioctls = {
	.vidioc_querycap = vjd_querycap,
	.vidioc_enum_fmt_vid_cap = vjd_enum_cap,
	.vidioc_enum_fmt_vid_out = vjd_enum_out,
	.vidioc_g_fmt_vid_cap_mplane = vjd_g_fmt,
	.vidioc_g_fmt_vid_out_mplane = vjd_g_fmt,
	.vidioc_s_fmt_vid_cap_mplane = vjd_s_fmt,
	.vidioc_s_fmt_vid_out_mplane = vjd_s_fmt,
	.vidioc_g_selection = vjd_g_selection,
	.vidioc_reqbufs = v4l2_m2m_ioctl_reqbufs,
	.vidioc_querybuf = v4l2_m2m_ioctl_querybuf,
	.vidioc_qbuf = v4l2_m2m_ioctl_qbuf,
	.vidioc_dqbuf = v4l2_m2m_ioctl_dqbuf,
	.vidioc_expbuf = v4l2_m2m_ioctl_expbuf,
	.vidioc_streamon = v4l2_m2m_ioctl_streamon,
	.vidioc_streamoff = v4l2_m2m_ioctl_streamoff,
	.vidioc_subscribe_event = vjd_subscribe,
	.vidioc_unsubscribe_event = v4l2_event_unsubscribe,
};

/* The work. */

static void vjd_work(struct work_struct *work)
{
	static const struct v4l2_event change = {
		.type = V4L2_EVENT_SOURCE_CHANGE,
		.u.src_change.changes = V4L2_EVENT_SRC_CH_RESOLUTION,
	};
	struct vjd_ctx *ctx = container_of(work, struct vjd_ctx, work);
	struct v4l2_m2m_ctx *m2m = ctx->fh.m2m_ctx;
	struct vb2_v4l2_buffer *src = v4l2_m2m_next_src_buf(m2m), *dst;
	struct picture *p = kmalloc(sizeof(*p), GFP_KERNEL);
	const u8 *bytes = vb2_plane_vaddr(&src->vb2_buf, 0);
	bool raw = ctx->src.fourcc == V4L2_PIX_FMT_YUYV;
	int bad = !p ? -ENOMEM : raw ? 0 : parse(p, bytes, bytes + vb2_get_plane_payload(&src->vb2_buf, 0));

	if (delay_ms)
		msleep(delay_ms);
	if (!bad && !raw && (p->width != ctx->dst.width || p->height != ctx->dst.visible_height ||
		     (always_tell && !ctx->told))) {
		struct vb2_queue *vq = v4l2_m2m_get_vq(m2m, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE);

		ctx->told = ctx->changed = true;
		ctx->dst.width = p->width;
		ctx->dst.visible_height = p->height;
		vjd_lay_out(&ctx->dst, 0);
		vq->last_buffer_dequeued = true;
		wake_up(&vq->done_wq);
		v4l2_event_queue_fh(&ctx->fh, &change);
	} else {
		v4l2_m2m_src_buf_remove(m2m);
		src->sequence = ctx->src.sequence++;
		if (bad || raw || !p->app0) {
			dst = v4l2_m2m_dst_buf_remove(m2m);
			if (raw)
				convert(bytes, &ctx->src, vb2_plane_vaddr(&dst->vb2_buf, 0), &ctx->dst);
			else if (!bad)
				bad = decode(p, vb2_plane_vaddr(&dst->vb2_buf, 0), &ctx->dst);
			v4l2_m2m_buf_copy_metadata(src, dst, true);
			dst->field = V4L2_FIELD_NONE;
			dst->sequence = ctx->dst.sequence++;
			vb2_set_plane_payload(&dst->vb2_buf, 0, ctx->dst.size);
			v4l2_m2m_buf_done(dst, bad ? VB2_BUF_STATE_ERROR : VB2_BUF_STATE_DONE);
		}
		v4l2_m2m_buf_done(src, VB2_BUF_STATE_DONE);
	}
	kfree(p);
	v4l2_m2m_job_finish(ctx->dev->m2m, m2m);
}

static void vjd_device_run(void *priv)
{
	struct vjd_ctx *ctx = priv;

	INIT_WORK(&ctx->work, vjd_work);
	queue_work(system_unbound_wq, &ctx->work);
}

static int vjd_job_ready(void *priv)
{
	return !((struct vjd_ctx *)priv)->changed;
}

static const struct v4l2_m2m_ops vjd_m2m = {
	.device_run = vjd_device_run,
	.job_ready = vjd_job_ready,
};

static int vjd_queue_setup(struct vb2_queue *vq, unsigned int *buffers, unsigned int *planes, unsigned int sizes[],
			   struct device *devs[])
{
	struct vjd_queue *q = to_queue(vb2_get_drv_priv(vq), vq->type);

	if (*planes)
		return sizes[0] < q->size ? -EINVAL : 0;
	*planes = 1;
	sizes[0] = q->size;
	return 0;
}

static int vjd_out_validate(struct vb2_buffer *vb)
{
	to_vb2_v4l2_buffer(vb)->field = V4L2_FIELD_NONE;
	return 0;
}

static int vjd_buf_prepare(struct vb2_buffer *vb)
{
	struct vjd_queue *q = to_queue(vb2_get_drv_priv(vb->vb2_queue), vb->vb2_queue->type);

	if (vb2_plane_size(vb, 0) < q->size)
		return -EINVAL;
	if (V4L2_TYPE_IS_CAPTURE(vb->vb2_queue->type))
		vb2_set_plane_payload(vb, 0, q->size);
	return 0;
}

static void vjd_buf_queue(struct vb2_buffer *vb)
{
	struct vjd_ctx *ctx = vb2_get_drv_priv(vb->vb2_queue);

	v4l2_m2m_buf_queue(ctx->fh.m2m_ctx, to_vb2_v4l2_buffer(vb));
}

static int vjd_start(struct vb2_queue *vq, unsigned int count)
{
	struct vjd_ctx *ctx = vb2_get_drv_priv(vq);

	to_queue(ctx, vq->type)->sequence = 0;
	if (V4L2_TYPE_IS_CAPTURE(vq->type))
		ctx->changed = false;
	return 0;
}

static void vjd_stop(struct vb2_queue *vq)
{
	struct vjd_ctx *ctx = vb2_get_drv_priv(vq);
	struct vb2_v4l2_buffer *vb;

	while ((vb = V4L2_TYPE_IS_OUTPUT(vq->type) ? v4l2_m2m_src_buf_remove(ctx->fh.m2m_ctx) :
						     v4l2_m2m_dst_buf_remove(ctx->fh.m2m_ctx)))
		v4l2_m2m_buf_done(vb, VB2_BUF_STATE_ERROR);
}

static const struct vb2_ops vjd_queue_ops = {
	.queue_setup = vjd_queue_setup,
	.buf_out_validate = vjd_out_validate,
	.buf_prepare = vjd_buf_prepare,
	.buf_queue = vjd_buf_queue,
	.start_streaming = vjd_start,
	.stop_streaming = vjd_stop,
	.wait_prepare = vb2_ops_wait_prepare,
	.wait_finish = vb2_ops_wait_finish,
};

static int vjd_queue_init(void *priv, struct vb2_queue *src, struct vb2_queue *dst)
{
	struct vjd_ctx *ctx = priv;
	struct vb2_queue *queues[] = { src, dst };
	int i, ret = 0;

	src->type = V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
	dst->type = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
	for (i = 0; i < 2 && !ret; i++) {
		queues[i]->io_modes = VB2_MMAP | VB2_DMABUF;
		queues[i]->drv_priv = ctx;
		queues[i]->ops = &vjd_queue_ops;
		queues[i]->mem_ops = &vb2_vmalloc_memops;
		queues[i]->buf_struct_size = sizeof(struct v4l2_m2m_buffer);
		queues[i]->timestamp_flags = V4L2_BUF_FLAG_TIMESTAMP_COPY;
		queues[i]->lock = &ctx->dev->lock;
		ret = vb2_queue_init(queues[i]);
	}
	return ret;
}

static int vjd_open(struct file *file)
{
	struct vjd_dev *dev = video_drvdata(file);
	struct vjd_ctx *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);

	if (!ctx)
		return -ENOMEM;
	ctx->dev = dev;
	ctx->src.fourcc = V4L2_PIX_FMT_MJPEG;
	ctx->src.size = 512 * 1024;
	ctx->dst.fourcc = V4L2_PIX_FMT_YUV420;
	ctx->dst.width = ctx->dst.visible_height = 32;
	vjd_lay_out(&ctx->dst, 0);
	v4l2_fh_init(&ctx->fh, &dev->vfd);
	file->private_data = &ctx->fh;
	ctx->fh.m2m_ctx = v4l2_m2m_ctx_init(dev->m2m, ctx, vjd_queue_init);
	if (IS_ERR(ctx->fh.m2m_ctx)) {
		int ret = PTR_ERR(ctx->fh.m2m_ctx);

		v4l2_fh_exit(&ctx->fh);
		kfree(ctx);
		return ret;
	}
	v4l2_fh_add(&ctx->fh);
	return 0;
}

static int vjd_release(struct file *file)
{
	struct vjd_ctx *ctx = to_ctx(file);

	v4l2_m2m_ctx_release(ctx->fh.m2m_ctx);
	v4l2_fh_del(&ctx->fh);
	v4l2_fh_exit(&ctx->fh);
	kfree(ctx);
	return 0;
}

static const struct v4l2_file_operations vjd_files = {
	.owner = THIS_MODULE,
	.open = vjd_open,
	.release = vjd_release,
	.poll = v4l2_m2m_fop_poll,
	.unlocked_ioctl = video_ioctl2,
	.mmap = v4l2_m2m_fop_mmap,
};

static int vjd_probe(struct platform_device *pdev)
{
	struct vjd_dev *dev = devm_kzalloc(&pdev->dev, sizeof(*dev), GFP_KERNEL);
	int ret;

	if (!dev)
		return -ENOMEM;
	ret = v4l2_device_register(&pdev->dev, &dev->v4l2_dev);
	if (ret)
		return ret;
	mutex_init(&dev->lock);
	dev->m2m = v4l2_m2m_init(&vjd_m2m);
	if (IS_ERR(dev->m2m)) {
		v4l2_device_unregister(&dev->v4l2_dev);
		return PTR_ERR(dev->m2m);
	}
	strscpy(dev->vfd.name, NAME, sizeof(dev->vfd.name));
	dev->vfd.fops = &vjd_files;
	dev->vfd.ioctl_ops = &vjd_ioctls;
	dev->vfd.release = video_device_release_empty;
	dev->vfd.lock = &dev->lock;
	dev->vfd.v4l2_dev = &dev->v4l2_dev;
	dev->vfd.vfl_dir = VFL_DIR_M2M;
	dev->vfd.device_caps = V4L2_CAP_VIDEO_M2M_MPLANE | V4L2_CAP_STREAMING;
	video_set_drvdata(&dev->vfd, dev);
	platform_set_drvdata(pdev, dev);
	ret = video_register_device(&dev->vfd, VFL_TYPE_VIDEO, video_nr);
	if (ret) {
		v4l2_m2m_release(dev->m2m);
		v4l2_device_unregister(&dev->v4l2_dev);
	}
	return ret;
}

static int vjd_remove(struct platform_device *pdev)
{
	struct vjd_dev *dev = platform_get_drvdata(pdev);

	video_unregister_device(&dev->vfd);
	v4l2_m2m_release(dev->m2m);
	v4l2_device_unregister(&dev->v4l2_dev);
	return 0;
}

static struct platform_driver vjd_driver = {
	.probe = vjd_probe,
	.remove = vjd_remove,
	.driver = { .name = NAME },
};
static struct platform_device *vjd_device;

static int __init vjd_init(void)
{
	int ret = platform_driver_register(&vjd_driver);

	if (ret)
		return ret;
	vjd_device = platform_device_register_simple(NAME, -1, NULL, 0);
	if (IS_ERR(vjd_device))
		platform_driver_unregister(&vjd_driver);
	return PTR_ERR_OR_ZERO(vjd_device);
}

static void __exit vjd_exit(void)
{
	platform_device_unregister(vjd_device);
	platform_driver_unregister(&vjd_driver);
}

module_init(vjd_init);
module_exit(vjd_exit);
