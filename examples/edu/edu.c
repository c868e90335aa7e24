// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that lets its device do DMA by guest physical address: QEMU's "edu", which
 * copies between memory and a buffer of its own, and raises an interrupt at the end.
 *
 * What is particular to that is in three places: edu_probe() opens an I/O address space,
 * edu_transfer() begins each transfer and asks whether it was hit, and the driver has
 * driver_managed_dma.
 */

#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/kref.h>
#include <linux/kvm_tdp_iommu.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "edu.h"

/* Registers, and bits of the command. */
#define EDU_IRQ_STATUS	0x24
#define EDU_IRQ_ACK	0x64
#define EDU_SOURCE	0x80
#define EDU_TARGET	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define EDU_RUN		BIT(0)
#define EDU_TO_MEMORY	BIT(1)
#define EDU_IRQ		BIT(2)

#define EDU_BUFFER	0x40000		/* in the device */
#define EDU_TRIES	100
#define EDU_TIMEOUT	(10 * HZ)

/**
 * struct edu - the device
 * @kref: one of the driver's, one of each open file: files may outlive the device
 * @misc: /dev/kvm_tdp_edu
 * @mutex: held over each call, and to take the device away
 * @pdev: the device; NULL: it is gone, or does not answer; by @mutex
 * @regs: its registers
 * @iommu: its I/O address space
 * @follower: the file through which it was attached, or NULL; by @mutex
 * @done: of a transfer
 */
struct edu {
	struct kref kref;
	struct miscdevice misc;
	struct mutex mutex;	/* as said above */
	struct pci_dev *pdev;
	void __iomem *regs;
	struct kvm_tdp_iommu *iommu;
	struct file *follower;
	struct completion done;
};

static void edu_free(struct kref *kref)
{
	kfree(container_of(kref, struct edu, kref));
}

static irqreturn_t edu_irq(int irq, void *data)
{
	struct edu *edu = data;
	u32 status = readl(edu->regs + EDU_IRQ_STATUS);

	writel(status, edu->regs + EDU_IRQ_ACK);
	complete(&edu->done);
	return IRQ_HANDLED;
}

static int edu_run(struct edu *edu, u64 gpa, u32 length, bool to_memory)
{
	reinit_completion(&edu->done);
	writeq(to_memory ? EDU_BUFFER : gpa, edu->regs + EDU_SOURCE);
	writeq(to_memory ? gpa : EDU_BUFFER, edu->regs + EDU_TARGET);
	writeq(length, edu->regs + EDU_COUNT);
	writeq(EDU_RUN | EDU_IRQ | (to_memory ? EDU_TO_MEMORY : 0), edu->regs + EDU_COMMAND);
	if (wait_for_completion_timeout(&edu->done, EDU_TIMEOUT))
		return 0;
	/* It must be done with the memory all the same. */
	pci_clear_master(edu->pdev);
	edu->pdev = NULL;
	return -EIO;
}

static int edu_transfer(struct edu *edu, u64 gpa, u32 length, bool to_memory, u32 *again)
{
	struct kvm_tdp_range range = { .gpa = gpa, .length = length };
	struct kvm_tdp_io io = {
		.ranges = &range,
		.nr_ranges = 1,
		.direction = to_memory ? DMA_FROM_DEVICE : DMA_TO_DEVICE,
	};
	int ret, hit, tries;

	for (tries = 0; tries < EDU_TRIES; tries++) {
		ret = kvm_tdp_iommu_begin(edu->iommu, &io);
		if (ret)
			return ret;
		ret = edu_run(edu, gpa, length, to_memory);
		hit = kvm_tdp_iommu_done(edu->iommu, &io);
		if (ret || !hit)
			return ret;
		(*again)++;
	}
	return -EAGAIN;
}

static int edu_copy(struct edu *edu, struct edu_copy *copy)
{
	int ret;

	copy->again = 0;
	if (copy->length > EDU_MAX)
		return -EINVAL;
	ret = edu_transfer(edu, copy->source, copy->length, false, &copy->again);
	if (!ret)
		ret = edu_transfer(edu, copy->target, copy->length, true, &copy->again);
	return ret;
}

static long edu_call(struct edu *edu, struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct edu_copy copy;
	int fd, ret;

	switch (cmd) {
	case EDU_ATTACH:
		if (get_user(fd, (int __user *)user))
			return -EFAULT;
		ret = kvm_tdp_iommu_attach(edu->iommu, fd, current->mm);
		if (!ret)
			edu->follower = file;
		return ret;
	case EDU_DETACH:
		edu->follower = NULL;
		return kvm_tdp_iommu_detach(edu->iommu);
	case EDU_COPY:
		if (copy_from_user(&copy, user, sizeof(copy)))
			return -EFAULT;
		ret = edu_copy(edu, &copy);
		return copy_to_user(user, &copy, sizeof(copy)) ? -EFAULT : ret;
	default:
		return -ENOTTY;
	}
}

static struct edu *edu_of(const struct file *file)
{
	return container_of(file->private_data, struct edu, misc);
}

static long edu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct edu *edu = edu_of(file);
	long ret;

	ret = mutex_lock_killable(&edu->mutex);
	if (ret)
		return ret;
	ret = edu->pdev ? edu_call(edu, file, cmd, arg) : -ENODEV;
	mutex_unlock(&edu->mutex);
	return ret;
}

static int edu_open(struct inode *inode, struct file *file)
{
	kref_get(&edu_of(file)->kref);
	return 0;
}

/* A VM that is followed stays: not for longer than somebody wants that. */
static int edu_release(struct inode *inode, struct file *file)
{
	struct edu *edu = edu_of(file);

	mutex_lock(&edu->mutex);
	if (edu->follower == file && edu->pdev)
		kvm_tdp_iommu_detach(edu->iommu);
	if (edu->follower == file)
		edu->follower = NULL;
	mutex_unlock(&edu->mutex);
	kref_put(&edu->kref, edu_free);
	return 0;
}

static const struct file_operations edu_fops = {
	.owner = THIS_MODULE,
	.open = edu_open,
	.release = edu_release,
	.unlocked_ioctl = edu_ioctl,
};

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu;
	int ret;

	edu = kzalloc(sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	kref_init(&edu->kref);
	mutex_init(&edu->mutex);
	init_completion(&edu->done);
	edu->pdev = pdev;
	ret = pcim_enable_device(pdev);
	if (ret)
		goto err_put;
	edu->regs = pcim_iomap(pdev, 0, 0);
	ret = edu->regs ? pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI) : -ENOMEM;
	if (ret < 0)
		goto err_put;
	ret = request_irq(pci_irq_vector(pdev, 0), edu_irq, 0, "kvm_tdp_edu", edu);
	if (ret)
		goto err_free_vectors;

	/* From here on the device reaches nothing but what is mapped for it. */
	edu->iommu = kvm_tdp_iommu_open(&pdev->dev);
	if (IS_ERR(edu->iommu)) {
		ret = PTR_ERR(edu->iommu);
		goto err_free_irq;
	}
	pci_set_master(pdev);
	pci_set_drvdata(pdev, edu);
	edu->misc = (struct miscdevice){
		.minor = MISC_DYNAMIC_MINOR,
		.name = "kvm_tdp_edu",
		.fops = &edu_fops,
		.mode = 0600,
	};
	ret = misc_register(&edu->misc);
	if (!ret)
		return 0;

	pci_clear_master(pdev);
	kvm_tdp_iommu_close(edu->iommu);
err_free_irq:
	free_irq(pci_irq_vector(pdev, 0), edu);
err_free_vectors:
	pci_free_irq_vectors(pdev);
err_put:
	kref_put(&edu->kref, edu_free);
	return ret;
}

static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	misc_deregister(&edu->misc);
	mutex_lock(&edu->mutex);
	edu->pdev = NULL;
	pci_clear_master(pdev);
	kvm_tdp_iommu_close(edu->iommu);
	free_irq(pci_irq_vector(pdev, 0), edu);
	pci_free_irq_vectors(pdev);
	mutex_unlock(&edu->mutex);
	kref_put(&edu->kref, edu_free);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "kvm_tdp_edu",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
	.driver_managed_dma = true,
};

module_pci_driver(edu_driver);

MODULE_DESCRIPTION("DMA of QEMU's edu by guest physical address");
MODULE_LICENSE("GPL");
